package outbox_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/crashtest"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/schemas/events"
)

// A crash test runs its parts as processes of their own: this test binary again, told by one variable what to be.
const roleVariable = "EZSCALE_TEST_CRASH_ROLE"

// role is what a child process plays.
type role struct {
	crashtest.Strike
	Part     string   `json:"part"` // relay, consumer, writer
	DSN      string   `json:"dsn"`
	Brokers  []string `json:"brokers"`
	Topic    string   `json:"topic"`
	Instance string   `json:"instance"`
	Seed     uint64   `json:"seed"`
}

func TestMain(m *testing.M) { crashtest.Main(m, roleVariable, play) }

func play(r role) error {
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: r.DSN, Role: postgres.RoleCommand, MaxConns: 6})
	if err != nil {
		return err
	}
	client := kafka.New(kafka.Config{Brokers: r.Brokers})
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	switch r.Part {
	case "relay":
		cfg := outbox.Config{Topic: r.Topic, Partitions: partitions, Instance: r.Instance, LeaseTTL: crashTTL, Poll: 20 * time.Millisecond,
			BatchRows: 40, Now: time.Now, Step: r.Func()}
		err = outbox.NewRelay(cfg, pool, client, log, prometheus.NewRegistry()).Start(ctx)
	case "consumer":
		cfg := consumer.Config{Name: "crash", Topic: r.Topic, Partitions: partitions, Instance: r.Instance, LeaseTTL: crashTTL,
			MaxWait: 20 * time.Millisecond, MaxRecords: 25, Step: r.Func()}
		err = consumer.New(cfg, pool, client, consumer.HandlerFunc(noteEffects), log, prometheus.NewRegistry()).Start(ctx)
	case "writer":
		return r.write(ctx, pool)
	default:
		err = fmt.Errorf("no part %q", r.Part)
	}
	if err != nil {
		return err
	}
	select {} // until the signal, or the parent's end
}

// noteEffects writes one row for each event, without any constraint: doubles and disorder would show.
func noteEffects(ctx context.Context, tx pgx.Tx, b consumer.Batch) error {
	for _, record := range b.Records {
		h, err := events.ParseHeader(record.Header)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into crash_effect (event_id, aggregate_id, version) values ($1, $2, $3)", h.ID, h.Aggregate.ID, h.AggregateVersion)
		if err != nil {
			return err
		}
	}
	return nil
}

// touch is the writers' command: a few events about two of the aggregates that all writers share.
type touch struct {
	First  uuid.UUID `json:"first"`
	Second uuid.UUID `json:"second"`
	Events int       `json:"events"`
	step   func(string)
}

func (touch) Name() string    { return "test.Touch" }
func (touch) Validate() error { return nil }

func (c touch) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.First}, {Type: events.TypeCustomer, ID: c.Second}}
}

func (c touch) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (int, []events.Event, error) {
	if _, err := tx.Exec(ctx, "insert into crash_write (id) values ($1)", c.First); err != nil {
		return 0, nil, err
	}
	c.step("written")
	var evs []events.Event
	for i := range c.Events {
		id := c.First
		if i%2 == 1 {
			id = c.Second
		}
		evs = append(evs, events.CustomerChanged{CustomerID: id})
	}
	return c.Events, evs, nil
}

// wakeStep strikes right after a commit, and wakes the relay else.
type wakeStep struct {
	waker *outbox.Waker
	step  func(string)
}

func (w wakeStep) Wake() { w.step("committed"); w.waker.Wake() }

func (r role) write(ctx context.Context, pool *pgxpool.Pool) error {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	waker := outbox.NewWaker(pool, quiet)
	if err := waker.Start(ctx); err != nil {
		return err
	}
	step := r.Func()
	db := command.NewDB(pool, wakeStep{waker, step}, quiet, prometheus.NewRegistry())
	return keepWriting(ctx, db, r.Seed, step)
}

// keepWriting touches aggregates until ctx ends.
func keepWriting(ctx context.Context, db *command.DB, seed uint64, step func(string)) error {
	for n := seed; ctx.Err() == nil; n++ {
		n = n*6364136223846793005 + 1442695040888963407
		c := touch{First: crashAggregate(n >> 33), Second: crashAggregate(n >> 45), Events: 1 + int(n>>60)%4, step: step}
		meta := command.Meta{Actor: "test", Now: time.Now(), NewID: uuid.New}
		// A run that has begun is finished: one cut off might commit after the books are counted.
		if _, err := command.Run(context.WithoutCancel(ctx), db, meta, c); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

func crashAggregate(n uint64) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte{byte(n % 16)}) }
