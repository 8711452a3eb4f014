package audit_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/schemas/events"
)

const waitBound = 90 * time.Second

// note is a command that writes nothing but its books.
type note struct {
	ID   uuid.UUID `json:"id"`
	Text string    `json:"text"`
	also func(context.Context, pgx.Tx) error
}

func (note) Name() string    { return "test.Note" }
func (note) Validate() error { return nil }

func (c note) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.ID}}
}

func (c note) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (int, []events.Event, error) {
	if c.also != nil {
		return 1, nil, c.also(ctx, tx)
	}
	return 1, nil, nil
}

type nobody struct{}

func (nobody) Wake() {}

// fixture is a database with a log, and a key.
type fixture struct {
	testing.TB
	dsn   string
	owner *pgxpool.Pool
	pool  *pgxpool.Pool // in the role of the sealer
	read  *pgxpool.Pool
	db    *command.DB
	key   ed25519.PrivateKey
	now   atomic.Int64 // the machine's clock of the sealer, microseconds
}

func setup(t testing.TB) *fixture {
	t.Helper()
	database := postgrestest.New(t)
	f := &fixture{TB: t, dsn: database.DSN(), owner: database.Pool(postgres.RoleOwner), pool: database.Pool(postgres.RoleAudit),
		read: database.Pool(postgres.RoleQuery), key: newKey(t), db: newDB(database.Pool(postgres.RoleCommand))}
	f.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return f
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newDB(pool *pgxpool.Pool) *command.DB {
	return command.NewDB(pool, nobody{}, quiet(), prometheus.NewRegistry())
}

func (f *fixture) clock() time.Time { return time.UnixMicro(f.now.Load()).UTC() }

func (f *fixture) sealer(cfg audit.Config) *audit.Sealer { return f.sealerWith(cfg, f.key) }

func (f *fixture) sealerWith(cfg audit.Config, key ed25519.PrivateKey) *audit.Sealer {
	if cfg.Now == nil {
		cfg.Now = f.clock
	}
	if cfg.Hold == 0 {
		cfg.Hold = time.Minute // a busy machine is no frozen sealer
	}
	if cfg.Poll == 0 {
		cfg.Poll = 5 * time.Millisecond
	}
	return audit.NewSealer(cfg, f.pool, key, quiet(), prometheus.NewRegistry())
}

func (f *fixture) meta() command.Meta {
	return command.Meta{Actor: "staff:test", Now: f.clock(), NewID: uuid.New, RequestID: "request-1", IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "curl/8"}
}

func (f *fixture) note(text string) {
	f.Helper()
	if _, err := command.Run(context.Background(), f.db, f.meta(), note{ID: uuid.New(), Text: text}); err != nil {
		f.Fatal(err)
	}
}

// sealAll seals what there is. Other tests' transactions on the server hold up the horizon here, too, and a sealer that was
// killed may hold the lock for a moment.
func (f *fixture) sealAll(s *audit.Sealer) {
	f.Helper()
	var last error
	f.await("the last seal", func() bool {
		n, err := s.Seal(f.Context())
		if err != nil && (last == nil || err.Error() != last.Error()) {
			f.Logf("seal again after: %v", err)
			last = err
		}
		return err == nil && n == 0 && f.allSealed()
	})
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	if _, err := f.owner.Exec(context.Background(), sql, args...); err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
}

func one[T any](f *fixture, sql string, args ...any) (v T) {
	f.Helper()
	if err := f.owner.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
	return v
}

func (f *fixture) verify(o audit.Options) audit.Report {
	f.Helper()
	report, err := audit.Verify(f.Context(), f.read, o)
	if err != nil {
		f.Fatal(err)
	}
	return report
}

// intact fails unless all rows are sealed and verified.
func (f *fixture) intact(o audit.Options) audit.Report {
	f.Helper()
	report := f.verify(o)
	rows := one[int64](f, "select count(*) from audit")
	if !report.Intact || report.Rows != rows || report.Unsealed != 0 {
		text, _ := json.Marshal(report)
		f.Fatalf("%d rows: %s", rows, text)
	}
	return report
}

func (f *fixture) await(what string, done func() bool) {
	f.Helper()
	for until := time.Now().Add(waitBound); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			f.Fatalf("waited for %s", what)
		}
	}
}

func (f *fixture) allSealed() bool {
	return one[bool](f, "select (select count(*) from audit) = (select count(*) from audit_seal)")
}

func (f *fixture) heads() []audit.Head {
	f.Helper()
	heads, err := audit.Heads(f.Context(), f.read, 0, 1000)
	if err != nil {
		f.Fatal(err)
	}
	return heads
}

func start(t testing.TB, s *audit.Sealer) {
	t.Helper()
	if err := errors.Join(s.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
