package outbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

// publish takes one batch from the outbox to Kafka and moves the cursor. It gives how many events that were.
func (l *leader) publish(ctx context.Context) (int, error) {
	step := l.relay.cfg.Step
	step("read")
	batch, err := l.read(ctx)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	oldest := batch[0].recordedAt
	l.relay.lagging(int64(len(batch)), l.relay.cfg.Now().Sub(oldest).Seconds())
	byPartition, next := l.messages(batch)
	// Of one partition there is one batch on its way at any time; the partitions go side by side.
	group, inner := errgroup.WithContext(ctx)
	for partition, messages := range byPartition {
		group.Go(func() error {
			step("produce")
			err := l.insist(inner, partition, messages)
			step("produced")
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	step("move")
	if err := l.move(ctx, batch[len(batch)-1].at, next); err != nil {
		return 0, err
	}
	step("moved")
	l.relay.metrics.published.Add(float64(len(batch)))
	l.relay.state.published(l.relay.cfg.Now())
	return len(batch), nil
}

// messages sorts a batch by partition, its order kept, and numbers it. next holds what comes after.
func (l *leader) messages(batch []row) (byPartition map[int][]kafka.Message, next map[int]int64) {
	byPartition, next = make(map[int][]kafka.Message), make(map[int]int64)
	for i := range batch {
		e := &batch[i]
		partition := events.Partition(e.shard, l.relay.cfg.Partitions)
		number, ok := next[partition]
		if !ok {
			number = max(l.sequences[partition], 1)
		}
		byPartition[partition] = append(byPartition[partition], l.message(e, number))
		next[partition] = number + 1
	}
	return byPartition, next
}

func (l *leader) message(e *row, number int64) kafka.Message {
	header := events.Header{
		ID: e.eventID, Type: e.eventType, SchemaVersion: e.schemaVersion,
		Aggregate: events.Aggregate{Type: e.aggregateType, ID: e.aggregateID}, AggregateVersion: e.aggregateVersion,
		Time: e.occurredAt, Producer: events.ProducerOfOutbox + strconv.Itoa(l.relay.cfg.RangeID), Epoch: l.epoch, Sequence: number,
	}
	m := kafka.Message{Key: e.aggregateID[:], Value: e.payload}
	header.Each(func(name, value string) { m.Headers = append(m.Headers, kafka.Header{Key: name, Value: []byte(value)}) })
	return m
}

// insist sends the same messages until the broker has taken them. Before each repetition it proves that this
// relay still leads: one that slept past its lease stops here.
func (l *leader) insist(ctx context.Context, partition int, messages []kafka.Message) error {
	r := l.relay
	for failures := 0; ; failures++ {
		_, err := r.kafka.Produce(ctx, r.cfg.Topic, partition, messages)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, kafka.ErrTooLarge) && len(messages) > 1:
			half := len(messages) / 2
			if err := l.insist(ctx, partition, messages[:half]); err != nil {
				return err
			}
			messages = messages[half:]
			continue
		}
		r.metrics.retries.Inc()
		r.refused(partition, messages, err)
		_ = background.Pause(ctx, r.backoff(failures))
		if err := l.renew(ctx); errors.Is(err, errFenced) {
			return err
		}
	}
}

// refused says what is stuck. An event that is too large for the broker names itself: it is never passed over,
// somebody has to raise the broker's limit.
func (r *Relay) refused(partition int, messages []kafka.Message, err error) {
	if !errors.Is(err, kafka.ErrTooLarge) {
		r.state.failed(err)
		r.log.Error("Kafka did not take a batch, it is sent again", "partition", partition, "events", len(messages), "error", err)
		return
	}
	id := headerOf(messages[0], events.HeaderID)
	r.state.stuck(fmt.Errorf("event %s of %d bytes holds up partition %d: %w", id, len(messages[0].Value), partition, err))
	r.log.Error("an event is too large for the broker and holds up its partition", "event_id", id,
		"event_type", headerOf(messages[0], events.HeaderType), "bytes", len(messages[0].Value), "partition", partition, "error", err)
}

func headerOf(m kafka.Message, name string) string {
	for _, h := range m.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}
