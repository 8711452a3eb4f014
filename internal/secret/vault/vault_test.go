package vault_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

const (
	canary   = "canary-JBSWY3DPEHPK3PXP"
	patience = 20 * time.Second
)

var place = vault.Column{Table: "safe", Name: "seed", Key: "id"}.At("1")

// fixture is a database, a key in a file, and a clock that stands still.
type fixture struct {
	testing.TB
	owner, pool *pgxpool.Pool
	path        string
	keks        vault.KEKs
	log         lockedBuffer
	registry    *prometheus.Registry

	mu  sync.Mutex
	now time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

func setup(t *testing.T) *fixture {
	t.Helper()
	db := postgrestest.New(t)
	f := &fixture{TB: t, owner: db.Pool(postgres.RoleOwner), pool: db.Pool("ezscale_door"), path: filepath.Join(t.TempDir(), "kek"), registry: prometheus.NewRegistry(), now: time.Unix(1e9, 0)}
	f.write(keyring.GenerateKEK().Reveal())
	f.keks = vault.KEKs{URI: "file:" + f.path, Lookup: os.LookupEnv}
	return f
}

func (f *fixture) write(key string) {
	f.Helper()
	if err := os.WriteFile(f.path, []byte(key), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// put puts a ring in the database, as the orders do.
func (f *fixture) put(ring *keyring.Ring) {
	f.Helper()
	kek, err := f.keks.Open()
	if err != nil {
		f.Fatal(err)
	}
	wrapped, err := ring.Wrap(kek)
	if err != nil {
		f.Fatal(err)
	}
	var keys []int64
	for _, key := range ring.Keys() {
		keys = append(keys, int64(key))
	}
	id, _ := kek.ID()
	_, err = f.owner.Exec(context.Background(), `insert into secret_ring (version, wrapped, kek, kek_id, keys, primary_key) values (1, $1, $2, $3, $4, $5)
		on conflict (only_row) do update set version = secret_ring.version + 1, wrapped = excluded.wrapped, kek = excluded.kek, kek_id = excluded.kek_id, keys = excluded.keys, primary_key = excluded.primary_key`,
		wrapped, kek.String(), int64(id), keys, int64(ring.Primary()))
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) start(every time.Duration) *vault.Vault {
	f.Helper()
	v := vault.New(vault.Config{KEKs: f.keks, Now: f.clock, Every: every, Again: 2 * time.Second}, f.pool, slog.New(slog.NewTextHandler(&f.log, nil)), f.registry)
	for range 2 { // the second does nothing
		if err := v.Start(context.Background()); err != nil {
			f.Fatal(err)
		}
	}
	f.Cleanup(func() {
		if err := errors.Join(v.Stop(context.Background()), v.Stop(context.Background())); err != nil {
			f.Error(err)
		}
	})
	return v
}

func newRing(t testing.TB) *keyring.Ring {
	t.Helper()
	ring, err := keyring.New()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func (f *fixture) readings() float64 {
	f.Helper()
	n := 0.0
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "ezscale_secrets_ring_readings_total" {
			for _, m := range family.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func unavailable(t testing.TB, err error) {
	t.Helper()
	var fe *fault.Error
	if !errors.As(err, &fe) || fe.Kind != fault.Unavailable || fe.Code != "secrets_unavailable" {
		t.Errorf("got %v, want secrets_unavailable", err)
	}
}

// Without a ring a process starts and is well, until somebody needs a secret; a ring that is made then is found.
func TestNoRingYet(t *testing.T) {
	t.Parallel()
	f := setup(t)
	v := f.start(time.Hour)
	if err := v.Health(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := v.Seal(t.Context(), secret.New(canary), place)
	unavailable(t, err)
	if err := v.Health(t.Context()); !errors.Is(err, vault.ErrNoRing) || !strings.Contains(err.Error(), "ezscale secrets init") {
		t.Errorf("health: %v", err)
	}
	if _, err := v.Renewal(t.Context()); !errors.Is(err, vault.ErrNoRing) {
		t.Errorf("renewal: %v", err)
	}
	f.put(newRing(t))
	f.advance(3 * time.Second)
	sealed, err := v.Seal(t.Context(), secret.New(canary), place)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(t.Context(), sealed, place); err != nil || got.Reveal() != canary || v.Health(t.Context()) != nil {
		t.Errorf("opened: %v, %v", err, v.Health(t.Context()))
	}
}

// What is wrong with the key-encryption key is told to operators, with what mends it; callers hear that they should
// come again. A key that is put back is found without a restart.
func TestTroubleWithTheKEK(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil        func(*fixture)
		want         error
		says, remedy string
	}{
		"missing":     {func(f *fixture) { _ = os.Remove(f.path) }, vault.ErrNoKEK, "no such file", "put the key back from its backup"},
		"another":     {func(f *fixture) { f.write(keyring.GenerateKEK().Reveal()) }, keyring.ErrWrongKEK, "is key ", "EZSCALE_SECRET_KEY_OLD"},
		"open to all": {func(f *fixture) { _ = os.Chmod(f.path, 0o644) }, vault.ErrNoKEK, "chmod o=", "put the key back"},
		"no key":      {func(f *fixture) { f.write(canary) }, vault.ErrNoKEK, "openssl rand", "put the key back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.put(newRing(t))
			right, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(f)
			v := f.start(time.Hour)
			_, err = v.Open(t.Context(), []byte("whatever"), place)
			unavailable(t, err)
			if err := v.Health(t.Context()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.remedy) {
				t.Errorf("health: %v", err)
			}
			if log := f.log.text(); !strings.Contains(log, c.says) || !strings.Contains(log, c.remedy) || strings.Contains(log, canary) || strings.Contains(log, string(right)) {
				t.Errorf("log: %s", log)
			}
			_ = os.Remove(f.path)
			f.write(string(right))
			f.advance(3 * time.Second)
			if _, err := v.Seal(t.Context(), secret.New(canary), place); err != nil || v.Health(t.Context()) != nil {
				t.Errorf("after it is back: %v, %v", err, v.Health(t.Context()))
			}
		})
	}
}

// A value by a key that is newer than the ring at hand lets the ring be read again, but not for every such value.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := newRing(t)
	f.put(first)
	v := f.start(time.Hour)
	larger, id, err := first.Add()
	if err != nil {
		t.Fatal(err)
	}
	second, err := larger.Promote(id)
	if err != nil {
		t.Fatal(err)
	}
	f.put(second)
	sealed, err := second.Seal(secret.New(canary), place)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(t.Context(), sealed, place); err != nil || got.Reveal() != canary {
		t.Fatalf("by the newer key: %v", err)
	}
	foreign, err := newRing(t).Seal(secret.New(canary), place)
	if err != nil {
		t.Fatal(err)
	}
	before := f.readings()
	for range 100 {
		_, err := v.Open(t.Context(), foreign, place)
		unavailable(t, err)
	}
	if n := f.readings() - before; n != 0 {
		t.Errorf("%.0f readings within a moment of the last", n)
	}
	f.advance(3 * time.Second)
	for range 100 {
		_, err := v.Open(t.Context(), foreign, place)
		unavailable(t, err)
	}
	if n := f.readings() - before; n != 1 {
		t.Errorf("%.0f readings after it, not 1", n)
	}
	for _, bad := range [][]byte{nil, []byte("x"), append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1)} {
		if _, err := v.Open(t.Context(), bad, place); err == nil || fault.Is(err, fault.Unavailable) {
			t.Errorf("%x: %v", bad, err)
		}
	}
	const want = `# HELP ezscale_secrets_operations_total Secrets sealed and opened, by outcome: ok; unavailable: no ring or not its key; refused: not what was sealed there.
# TYPE ezscale_secrets_operations_total counter
ezscale_secrets_operations_total{operation="open",outcome="ok"} 1
ezscale_secrets_operations_total{operation="open",outcome="refused"} 3
ezscale_secrets_operations_total{operation="open",outcome="unavailable"} 200
`
	if err := testutil.GatherAndCompare(f.registry, strings.NewReader(want), "ezscale_secrets_operations_total"); err != nil {
		t.Error(err)
	}
}

// The ring is read again by itself; while it cannot be, a process goes on with the one it has, and says so.
func TestRingIsReadAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first := newRing(t)
	f.put(first)
	v := f.start(10 * time.Millisecond)
	await := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %s", what)
			}
		}
	}
	sealedBy := func() uint32 {
		sealed, err := v.Seal(t.Context(), secret.New(canary), place)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := keyring.KeyOf(sealed)
		return id
	}
	larger, id, _ := first.Add()
	second, err := larger.Promote(id)
	if err != nil {
		t.Fatal(err)
	}
	f.put(second)
	await("the new primary", func() bool { return sealedBy() == id })
	if _, err := f.owner.Exec(t.Context(), `alter table secret_ring rename to gone`); err != nil {
		t.Fatal(err)
	}
	await("the trouble to be told", func() bool { return v.Health(t.Context()) != nil })
	if sealedBy() != id {
		t.Error("another key seals")
	}
	if _, err := f.owner.Exec(t.Context(), `alter table gone rename to secret_ring`); err != nil {
		t.Fatal(err)
	}
	await("the trouble to be over", func() bool { return v.Health(t.Context()) == nil })
}

// Columns are those that have the guard, wherever they are declared; one that is switched off is said.
func TestColumns(t *testing.T) {
	t.Parallel()
	f := setup(t)
	exec := func(sql string) {
		t.Helper()
		if _, err := f.owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`create table b (id bigint primary key, one bytea, two bytea);
		create trigger one before insert or update of one on b for each row execute function secret_guard('one', 'id');
		create trigger two before insert or update of two on b for each row execute function secret_guard('two', 'id');
		create table "A a" (id uuid primary key, x bytea) partition by hash (id);
		create table a0 partition of "A a" for values with (modulus 1, remainder 0);
		create trigger x before insert or update of x on "A a" for each row execute function secret_guard('x', 'id')`)
	columns, err := vault.Columns(t.Context(), f.pool)
	columns = slices.DeleteFunc(columns, func(c vault.Column) bool { return c.Table != "A a" && c.Table != "b" }) // the platform's own
	if err != nil || len(columns) != 3 || columns[0] != (vault.Column{Table: "A a", Name: "x", Key: "id"}) || columns[2].String() != "b.two" {
		t.Errorf("%+v, %v", columns, err)
	}
	exec(`alter table b disable trigger two`)
	if _, err := vault.Columns(t.Context(), f.pool); err == nil || !strings.Contains(err.Error(), "b.two is disabled") {
		t.Errorf("switched off: %v", err)
	}
	exec(`drop trigger two on b; create trigger two before insert on b for each row execute function secret_guard('two')`)
	if _, err := vault.Columns(t.Context(), f.pool); err == nil || !strings.Contains(err.Error(), "two arguments") {
		t.Errorf("half declared: %v", err)
	}
}
