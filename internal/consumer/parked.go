package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

const (
	maxReason = 2000 // bytes
	maxListed = 500
)

// ParkedMessage is a poison message set aside.
type ParkedMessage struct {
	ID         int64
	Consumer   string
	Topic      string
	Partition  int
	Offset     int64
	Key, Value []byte
	Headers    []kafka.Header
	Reason     string
	Attempts   int
	Aggregate  string // TYPE/ID of the flagged aggregate; empty when the message named none
	ParkedAt   time.Time
	RetryAt    *time.Time // requested, not yet done
	ResolvedAt *time.Time // a retry went well
}

// Parked is the operator's view of poison messages.
type Parked struct{ pool *pgxpool.Pool }

// NewParked makes the view; the pool needs the command role for Retry.
func NewParked(pool *pgxpool.Pool) *Parked { return &Parked{pool: pool} }

const parkedColumns = `id, consumer, topic, partition, kafka_offset, key, value, headers, reason, attempts,
	coalesce(aggregate_type || '/' || aggregate_id, ''), parked_at, retry_at, resolved_at`

// List gives the unresolved messages, or all, with ids above after: at most 500, oldest first. An empty consumer
// is every consumer.
func (p *Parked) List(ctx context.Context, consumer string, all bool, after int64) ([]ParkedMessage, error) {
	rows, err := p.pool.Query(ctx, `select `+parkedColumns+` from parked_message
		where ($1 = '' or consumer = $1) and ($2 or resolved_at is null) and id > $3 order by id limit $4`, consumer, all, after, maxListed)
	if err != nil {
		return nil, fmt.Errorf("list parked messages: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanParked)
	if err != nil {
		return nil, fmt.Errorf("list parked messages: %w", err)
	}
	return found, nil
}

// Show gives one message. Error: fault.NotFound.
func (p *Parked) Show(ctx context.Context, id int64) (ParkedMessage, error) {
	rows, err := p.pool.Query(ctx, `select `+parkedColumns+` from parked_message where id = $1`, id)
	if err != nil {
		return ParkedMessage{}, fmt.Errorf("show parked message %d: %w", id, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanParked)
	if errors.Is(err, pgx.ErrNoRows) {
		return ParkedMessage{}, fault.New(fault.NotFound, "parked_message_not_found", "there is no parked message %d", id)
	}
	if err != nil {
		return ParkedMessage{}, fmt.Errorf("show parked message %d: %w", id, err)
	}
	return found, nil
}

// Retry asks the consumers to try messages again; they do so within their RetryPoll. It gives how many of the ids
// are waiting for that now: resolved ones and unknown ones are not.
func (p *Parked) Retry(ctx context.Context, ids ...int64) (int64, error) {
	tag, err := p.pool.Exec(ctx, `update parked_message set retry_at = now() where id = any($1) and resolved_at is null`, ids)
	if err != nil {
		return 0, fmt.Errorf("request retries: %w", err)
	}
	return tag.RowsAffected(), nil
}

func scanParked(row pgx.CollectableRow) (m ParkedMessage, err error) {
	var headers []byte
	err = row.Scan(&m.ID, &m.Consumer, &m.Topic, &m.Partition, &m.Offset, &m.Key, &m.Value, &headers, &m.Reason, &m.Attempts,
		&m.Aggregate, &m.ParkedAt, &m.RetryAt, &m.ResolvedAt)
	if err != nil {
		return m, err
	}
	m.Headers, err = decodeHeaders(headers)
	return m, err
}

func (m ParkedMessage) record() kafka.Record {
	return kafka.Record{Offset: m.Offset, Time: m.ParkedAt, Key: m.Key, Value: m.Value, Headers: m.Headers}
}

// jsonHeader keeps a header readable where it is text; jsonb cannot hold all bytes.
type jsonHeader struct {
	Name  string  `json:"name"`
	Value *string `json:"value,omitempty"`
	Bytes []byte  `json:"base64,omitempty"`
}

func encodeHeaders(headers []kafka.Header) ([]byte, error) {
	out := make([]jsonHeader, 0, len(headers))
	for _, h := range headers {
		j := jsonHeader{Name: plainText(h.Key, len(h.Key))}
		if text := string(h.Value); plainText(text, len(text)) == text {
			j.Value = &text
		} else {
			j.Bytes = h.Value
		}
		out = append(out, j)
	}
	return json.Marshal(out)
}

func decodeHeaders(b []byte) ([]kafka.Header, error) {
	var in []jsonHeader
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, fmt.Errorf("read a parked message's headers: %w", err)
	}
	headers := make([]kafka.Header, 0, len(in))
	for _, j := range in {
		h := kafka.Header{Key: j.Name, Value: j.Bytes}
		if j.Value != nil {
			h.Value = []byte(*j.Value)
		}
		headers = append(headers, h)
	}
	return headers, nil
}

// plainText makes s what a Postgres text can hold, in at most limit bytes.
func plainText(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// aggregateOf finds which aggregate a message is about; nothing when it does not say.
func aggregateOf(r kafka.Record) (kind *string, id *uuid.UUID) {
	subject, ok := r.Header(events.HeaderSubject)
	if !ok {
		return nil, nil
	}
	a, err := events.ParseSubject(string(subject))
	if err != nil {
		return nil, nil
	}
	return &a.Type, &a.ID
}
