package consumer

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

const retriesAtATime = 10

// park sets a record aside, flags its aggregate and moves the offset past it.
func (w *worker) park(ctx context.Context, r kafka.Record, next int64, why error) error {
	headers, err := encodeHeaders(r.Headers)
	if err != nil {
		return err
	}
	kind, id := aggregateOf(r)
	reason := plainText(why.Error(), maxReason)
	_, seen, _ := w.producers.sift([]kafka.Record{r})
	err = w.inTransaction(ctx, func(tx pgx.Tx) error {
		if err := w.advance(ctx, tx, next, seen); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into parked_message
			(consumer, topic, partition, kafka_offset, key, value, headers, reason, attempts, aggregate_type, aggregate_id)
			values ($1, $2, $3, $4, $5, coalesce($6, ''::bytea), $7, $8, $9, $10, $11)
			on conflict (consumer, topic, partition, kafka_offset) do update set reason = excluded.reason, resolved_at = null, retry_at = null`,
			w.lease.key.Consumer, w.lease.key.Topic, w.partition, r.Offset, r.Key, r.Value, headers, reason, w.runner.cfg.Attempts, kind, id)
		if err != nil {
			return fmt.Errorf("park a message: %w", err)
		}
		_, err = tx.Exec(ctx, `update aggregate set flagged = $3 where type = $1 and id = $2`, kind, id, reason)
		return err
	})
	if err != nil {
		return err
	}
	w.moved(next, seen)
	w.runner.metrics.parked.Inc()
	eventID, _ := r.Header(events.HeaderID)
	w.runner.log.Error("poison message parked", "topic", w.lease.key.Topic, "partition", w.partition, "offset", r.Offset,
		"event_id", string(eventID), "reason", reason)
	return nil
}

// retryParked tries the messages that an operator asked for, from time to time.
func (w *worker) retryParked(ctx context.Context) error {
	now := w.runner.cfg.Now()
	if now.Before(w.retryAt) {
		return nil
	}
	w.retryAt = now.Add(w.runner.cfg.RetryPoll)
	rows, err := w.runner.pool.Query(ctx, `select `+parkedColumns+` from parked_message
		where consumer = $1 and topic = $2 and partition = $3 and retry_at is not null and resolved_at is null
		order by kafka_offset limit $4`, w.lease.key.Consumer, w.lease.key.Topic, w.partition, retriesAtATime)
	if err != nil {
		return fmt.Errorf("look for messages to retry: %w", err)
	}
	wanted, err := pgx.CollectRows(rows, scanParked)
	if err != nil {
		return fmt.Errorf("look for messages to retry: %w", err)
	}
	for _, m := range wanted {
		if err := w.retry(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// retry gives nil when the message is resolved or has failed again by its own fault.
func (w *worker) retry(ctx context.Context, m ParkedMessage) error {
	batch := Batch{Topic: m.Topic, Partition: m.Partition, Records: []kafka.Record{m.record()}, Next: m.Offset + 1}
	err := w.applyParked(ctx, batch)
	if err == nil {
		err = w.inTransaction(ctx, func(tx pgx.Tx) error { return w.resolve(ctx, tx, m, batch) })
	}
	if err == nil {
		w.runner.log.Info("parked message resolved", "id", m.ID, "topic", m.Topic, "partition", m.Partition, "offset", m.Offset)
		return nil
	}
	if errors.Is(err, ErrFenced) || !isBlamed(err) {
		return err
	}
	w.runner.log.Warn("parked message failed again", "id", m.ID, "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "error", err)
	_, err = w.runner.pool.Exec(ctx, `update parked_message set retry_at = null, attempts = attempts + 1, reason = $2 where id = $1`,
		m.ID, plainText(err.Error(), maxReason))
	return err
}

func (w *worker) applyParked(ctx context.Context, b Batch) error {
	if w.runner.effect == nil {
		return nil
	}
	if err := w.runner.effect.Apply(ctx, b); err != nil {
		return handlerFault{err}
	}
	return nil
}

func (w *worker) resolve(ctx context.Context, tx pgx.Tx, m ParkedMessage, b Batch) error {
	// Moving the offset to where it is proves the lease.
	if err := w.lease.Advance(ctx, tx, w.next, w.next); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `update parked_message set resolved_at = now(), retry_at = null, attempts = attempts + 1 where id = $1 and resolved_at is null`, m.ID)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	if w.runner.handler != nil {
		if err := w.handle(ctx, tx, b); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `update aggregate a set flagged = null from parked_message m
		where m.id = $1 and a.type = m.aggregate_type and a.id = m.aggregate_id and not exists (
			select from parked_message o where o.aggregate_type = a.type and o.aggregate_id = a.id and o.resolved_at is null)`, m.ID)
	return err
}
