// Package policy is where contexts meet: "when EVENT then COMMAND or JOB", one file per rule. A rule runs in the
// transaction that moves the consumer's offset, so what it records (a job, a row) happens once per event, although
// the event may travel several times. A rule makes no network call: it leaves a job that does.
package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

// ConsumerName is the policies' name as a consumer of the event topic.
const ConsumerName = "policy"

// Rule reacts to one type of event. Do runs in the consumer's transaction; its error parks the event in the end,
// and with it all that other rules would have done for it.
type Rule struct {
	On   string // event type, as Event.Type gives it
	Name string // "mail_threshold", for errors and logs
	Do   func(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error
}

// NewRunner makes the consumer of the event topic that applies rules, in their order. Events without a rule are
// passed over. An event of a version that this binary does not know waits, parked, for one that does.
func NewRunner(cfg consumer.Config, pool *pgxpool.Pool, client *kafka.Client, rules []Rule, log *slog.Logger, reg prometheus.Registerer) *consumer.Runner {
	if cfg.Name == "" {
		cfg.Name = ConsumerName
	}
	if cfg.Topic == "" {
		cfg.Topic, cfg.Partitions = events.TopicEvents, events.EventPartitions
	}
	return consumer.New(cfg, pool, client, newHandler(rules), log, reg)
}

// handler applies the rules of each record's event type.
type handler struct{ rules map[string][]Rule }

func newHandler(rules []Rule) handler {
	byType := make(map[string][]Rule)
	for _, r := range rules {
		byType[r.On] = append(byType[r.On], r)
	}
	return handler{rules: byType}
}

func (h handler) Handle(ctx context.Context, tx pgx.Tx, b consumer.Batch) error {
	for _, record := range b.Records {
		if err := h.apply(ctx, tx, record); err != nil {
			return fmt.Errorf("offset %d: %w", record.Offset, err)
		}
	}
	return nil
}

func (h handler) apply(ctx context.Context, tx pgx.Tx, record kafka.Record) error {
	eventType, ok := record.Header(events.HeaderType)
	if !ok {
		return errors.New("the message has no event type")
	}
	rules := h.rules[string(eventType)]
	if len(rules) == 0 {
		return nil
	}
	header, err := events.ParseHeader(record.Header)
	if err != nil {
		return err
	}
	event, err := events.Decode(header.Type, header.SchemaVersion, record.Value)
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if err := rule.Do(ctx, tx, event, header); err != nil {
			return fmt.Errorf("rule %s on %s %s: %w", rule.Name, header.Type, header.ID, err)
		}
	}
	return nil
}
