package secrets_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/internal/crashtest"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/vault"
)

const (
	roleVariable = "EZSCALE_TEST_SECRETS_CRASH"
	waitBound    = 30 * time.Second
	maxDoze      = 300 * time.Millisecond // of a writer, with a sealed value in hand
	maxTries     = 500                    // of one write or reading, while the ring changes under it
)

// role is what a child process plays: it renews.
type role struct {
	crashtest.Strike
	DSN string `json:"dsn"`
	KEK string `json:"kek"`
}

func TestMain(m *testing.M) { crashtest.Main(m, roleVariable, play) }

func play(r role) error {
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: r.DSN, Role: postgres.RoleCommand, MaxConns: 2})
	if err != nil {
		return err
	}
	cfg := vault.Config{KEKs: vault.KEKs{URI: r.KEK, Lookup: os.LookupEnv}, Now: time.Now, Step: r.Func()}
	renewal, err := vault.New(cfg, pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Renewal(ctx)
	for more := true; more && err == nil; {
		more, err = renewal.Next(ctx)
	}
	return err
}

func (f *fixture) await(what string, done func() bool) {
	f.Helper()
	for deadline := time.Now().Add(waitBound); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	f.Fatalf("waited in vain for %s", what)
}

// load writes and reads secrets all the time, by the vaults of several processes.
type load struct {
	*fixture
	ids                     []uuid.UUID
	rows                    []sync.Mutex   // held by who writes a row
	written                 []atomic.Int64 // number of the row's last value that was acknowledged
	writes, reads, repeated atomic.Int64
	group                   sync.WaitGroup
	stop                    context.CancelFunc
}

func (f *fixture) load(ids []uuid.UUID, vaults ...*vault.Vault) *load {
	l := &load{fixture: f, ids: ids, rows: make([]sync.Mutex, len(ids)), written: make([]atomic.Int64, len(ids))}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	f.Cleanup(l.end)
	for _, v := range vaults {
		fast := func(i int) error { return l.write(v, i, time.Microsecond) }
		slow := func(i int) error { return l.write(v, i, maxDoze) }
		read := func(i int) error { return l.read(v, i) }
		for _, work := range []func(int) error{fast, slow, slow, slow, slow, read, read} {
			l.group.Go(func() {
				for ctx.Err() == nil {
					if err := work(rand.IntN(len(ids))); err != nil {
						l.Error(err)
						return
					}
				}
			})
		}
	}
	return l
}

func (l *load) end() { l.stop(); l.group.Wait() }

// write seals the row's next value. What a removed key sealed is refused, and sealed again.
func (l *load) write(v *vault.Vault, i int, doze time.Duration) error {
	l.rows[i].Lock()
	defer l.rows[i].Unlock()
	next, at := l.written[i].Load()+1, seeds.At(l.ids[i].String())
	var err error
	for range maxTries {
		var sealed []byte
		if sealed, err = v.Seal(context.Background(), secret.New(text(at.Row, next)), at); err != nil {
			return err
		}
		time.Sleep(rand.N(doze))
		if _, err = l.Pool.Exec(context.Background(), `update safe set seed = $1 where id = $2`, sealed, l.ids[i]); err == nil {
			l.written[i].Store(next)
			l.writes.Add(1)
			return nil
		}
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.ConstraintName != "secret_key_known" {
			return err
		}
		l.repeated.Add(1)
		time.Sleep(time.Millisecond)
	}
	return err
}

// read opens a row's value, which is one that was acknowledged or newer.
func (l *load) read(v *vault.Vault, i int) error {
	at := seeds.At(l.ids[i].String())
	var err error
	for range maxTries {
		least := l.written[i].Load()
		var sealed []byte
		if err = l.Pool.QueryRow(context.Background(), `select seed from safe where id = $1`, l.ids[i]).Scan(&sealed); err != nil {
			return err
		}
		var value secret.Text
		if value, err = v.Open(context.Background(), sealed, at); err == nil {
			l.reads.Add(1)
			if n, ok := number(value.Reveal(), at.Row); !ok || n < least {
				l.Errorf("row %s holds value %d, after %d", at.Row, n, least)
			}
			return nil
		}
		if !fault.Is(err, fault.Unavailable) {
			return err
		}
		l.repeated.Add(1)
		time.Sleep(time.Millisecond)
	}
	return err
}

// number reads what text wrote.
func number(value, row string) (n int64, ok bool) {
	rest, ok := strings.CutPrefix(value, canary+" "+row+" ")
	for _, digit := range rest {
		n = n*10 + int64(digit-'0')
	}
	return n, ok
}

// judge opens every row by a new process: each holds its last value.
func (l *load) judge() {
	l.Helper()
	fresh := l.vault(vault.Config{})
	for i, id := range l.ids {
		sealed := worldtest.One[[]byte](l.World, `select seed from safe where id = $1`, id)
		value, err := fresh.Open(context.Background(), sealed, seeds.At(id.String()))
		if n, ok := number(value.Reveal(), id.String()); err != nil || !ok || n != l.written[i].Load() {
			l.Errorf("row %s holds value %d, not %d: %v", id, n, l.written[i].Load(), err)
		}
	}
	l.Logf("%d writes, %d readings, %d of them had to be repeated", l.writes.Load(), l.reads.Load(), l.repeated.Load())
}

// retire renews until the key can be removed: processes that have not heard of its successor still seal by it.
func (f *fixture) retire(v *vault.Vault, key vault.KeyID) {
	f.Helper()
	for range maxTries {
		if r := f.renewAll(v); r.Failed > 0 {
			f.Fatalf("%d values do not open", r.Failed)
		}
		switch err := f.run(must(f, f.current(), remove(key, true))); {
		case err == nil:
			return
		case !isCode(err, "key_in_use"):
			f.Fatal(err)
		}
	}
	f.Fatal("the key is in use for ever")
}

// Keys are exchanged while processes write and read, as fast as it goes: nothing is lost, everything opens, and the old
// keys have sealed nothing that is left.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	quick := vault.Config{Every: 200 * time.Millisecond, Again: 10 * time.Millisecond}
	a, b, renewer := f.vault(quick), f.vault(quick), f.vault(quick)
	ids := f.fill(a, 300)
	f.Exec(`insert into "Gate way" values ('O''Neill & Söhne', $1)`, f.seal(a, canary, passwords.At("O'Neill & Söhne")))
	l := f.load(ids, a, b)
	for range 4 {
		was, _ := f.rotate()
		mark := l.writes.Load()
		f.await("writes in between", func() bool { return l.writes.Load() > mark+20 || t.Failed() })
		f.retire(renewer, was)
		if n := f.sealedBy(was); n != 0 {
			t.Errorf("%d values by the old key", n)
		}
	}
	l.end()
	l.judge()
	if ring := f.current(); len(ring.Keys) != 1 || f.sealedBy(ring.Primary) != int64(len(ids))+1 {
		t.Errorf("%d keys, %d values by the primary", len(ring.Keys), f.sealedBy(ring.Primary))
	}
	got, err := a.Open(t.Context(), worldtest.One[[]byte](f.World, `select "pass word" from "Gate way"`), passwords.At("O'Neill & Söhne"))
	if err != nil || got.Reveal() != canary {
		t.Errorf("the other column: %v", err)
	}
}

// A renewal that is killed anywhere is gone on with by the next one, while processes write and read.
func TestKilledRenewal(t *testing.T) {
	t.Parallel()
	f := setup(t, true)
	a, b := f.vault(vault.Config{}), f.vault(vault.Config{Every: 200 * time.Millisecond, Again: 10 * time.Millisecond})
	ids := f.fill(a, 1000)
	was, _ := f.rotate()
	l := f.load(ids[:100], b) // the others are left to renewal, however slow this machine is
	for i, strike := range []crashtest.Strike{{Step: "read", After: 1}, {Step: "written", After: 1}, {Step: "read", After: 2}, {Step: "written", After: 1}} {
		before := f.sealedBy(was)
		config := f.Pool.Config().ConnConfig
		child := crashtest.Spawn(t, roleVariable, role{Strike: strike, DSN: config.ConnString(), KEK: f.keks.URI})
		crashtest.AwaitKill(t, child, "the renewal at "+strike.Step, waitBound)
		if after := f.sealedBy(was); after == 0 || i > 0 && after == before {
			t.Errorf("%s %d: %d values by the old key, then %d", strike.Step, strike.After, before, after)
		}
	}
	f.retire(b, was)
	l.end()
	l.judge()
	if n := f.sealedBy(was); n != 0 {
		t.Errorf("%d values by the old key", n)
	}
}
