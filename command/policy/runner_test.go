package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/schemas/events"
)

const (
	pollEvery = 10 * time.Millisecond
	pollBound = 30 * time.Second
)

func message(t *testing.T, e events.Event, sequence int64) kafka.Message {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	h := events.Header{ID: uuid.New(), Type: e.Type(), SchemaVersion: e.SchemaVersion(), Aggregate: e.Aggregate(), AggregateVersion: 1,
		Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Producer: "outbox/0", Epoch: 1, Sequence: sequence}
	m := kafka.Message{Value: payload}
	h.Each(func(name, value string) { m.Headers = append(m.Headers, kafka.Header{Key: name, Value: []byte(value)}) })
	return m
}

func TestRulesActOncePerEvent(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	database := postgrestest.New(t)
	if _, err := database.Pool(postgres.RoleOwner).Exec(t.Context(), "create table done (rule text, customer uuid); grant all on done to ezscale_command"); err != nil {
		t.Fatal(err)
	}
	pool, client, topic := database.Pool(postgres.RoleCommand), cluster.Client(t), cluster.Topic(t, 1)
	unwelcome := uuid.New()
	act := func(rule string) func(context.Context, pgx.Tx, events.Event, events.Header) error {
		return func(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
			registered, ok := e.(events.CustomerRegistered)
			if !ok || h.Aggregate.ID != registered.CustomerID {
				return errors.New("another event")
			}
			if _, err := tx.Exec(ctx, "insert into done values ($1, $2)", rule, registered.CustomerID); err != nil {
				return err
			}
			if rule == "second" && registered.CustomerID == unwelcome {
				return errors.New("not welcome")
			}
			return nil
		}
	}
	rules := []policy.Rule{
		{On: "identity.CustomerRegistered", Name: "first", Do: act("first")},
		{On: "identity.CustomerRegistered", Name: "second", Do: act("second")},
	}
	customer := uuid.New()
	first := message(t, events.CustomerRegistered{CustomerID: customer}, 1)
	batch := []kafka.Message{first, first, message(t, events.CustomerRegistered{CustomerID: unwelcome}, 2), message(t, events.CustomerChanged{CustomerID: customer}, 3)}
	if _, err := client.Produce(t.Context(), topic, 0, batch); err != nil {
		t.Fatal(err)
	}
	cfg := consumer.Config{Topic: topic, Partitions: 1, MaxWait: 20 * time.Millisecond, Backoff: time.Millisecond}
	runner := policy.NewRunner(cfg, pool, client, rules, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
	if err := runner.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = runner.Stop(context.Background()) })
	deadline := time.After(pollBound)
	for next := 0; next != len(batch); {
		_ = pool.QueryRow(t.Context(), "select next from consumer_offset where consumer = $1", policy.ConsumerName).Scan(&next) // no row yet: 0
		select {
		case <-deadline:
			t.Fatalf("stands at %d", next)
		case <-time.After(pollEvery):
		}
	}
	var acts, others int
	if err := pool.QueryRow(t.Context(), "select count(*) filter (where customer = $1), count(*) filter (where customer <> $1) from done", customer).Scan(&acts, &others); err != nil {
		t.Fatal(err)
	}
	if acts != 2 || others != 0 {
		t.Errorf("%d acts for the customer, want one of each rule; %d of the parked event, want none", acts, others)
	}
	parked, err := consumer.NewParked(pool).List(t.Context(), policy.ConsumerName, false, 0)
	if err != nil || len(parked) != 1 || parked[0].Offset != 2 {
		t.Errorf("parked %+v, %v", parked, err)
	}
}
