package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// fixture is a company with a ring, and two tables of secrets: by uuid and by name.
type fixture struct {
	*worldtest.World
	keks vault.KEKs
}

var (
	seeds     = vault.Column{Table: "safe", Name: "seed", Key: "id"}
	passwords = vault.Column{Table: "Gate way", Name: "pass word", Key: "the name"} // whatever a table is called
)

const tables = `
create table safe (id uuid primary key, seed bytea, note text);
create trigger seed_sealed before insert or update of seed on safe for each row execute function secret_guard('seed', 'id');
create table "Gate way" ("the name" text primary key, "pass word" bytea);
create trigger sealed before insert or update of "pass word" on "Gate way" for each row execute function secret_guard('pass word', 'the name');
grant select, insert, update on safe, "Gate way" to ezscale_command`

// setup makes the company; with ring it has one.
func setup(t testing.TB, ring bool) *fixture {
	t.Helper()
	f := &fixture{World: worldtest.New(t), keks: vault.KEKs{URI: kekFile(t), Lookup: os.LookupEnv}}
	f.Exec(tables)
	if ring {
		worldtest.Must(f.World, f.createRing(f.keks))
	}
	return f
}

func kekFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kek")
	if err := os.WriteFile(path, []byte(keyring.GenerateKEK().Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

func (f *fixture) createRing(keks vault.KEKs) secrets.CreateRing {
	f.Helper()
	kek, err := keks.Open()
	if err != nil {
		f.Fatal(err)
	}
	return must(f, kek, secrets.NewCreateRing)
}

// must makes an order that can be made.
func must[A, O any](f *fixture, of A, order func(A) (O, error)) O {
	f.Helper()
	made, err := order(of)
	if err != nil {
		f.Fatal(err)
	}
	return made
}

func promote(key vault.KeyID, atOnce bool) func(vault.Opened) (secrets.PromoteKey, error) {
	return func(of vault.Opened) (secrets.PromoteKey, error) { return secrets.NewPromoteKey(of, key, atOnce) }
}

func remove(key vault.KeyID, atOnce bool) func(vault.Opened) (secrets.RemoveKey, error) {
	return func(of vault.Opened) (secrets.RemoveKey, error) { return secrets.NewRemoveKey(of, key, atOnce) }
}

func (f *fixture) current() vault.Opened {
	f.Helper()
	opened, err := vault.Current(context.Background(), f.Pool, f.keks)
	if err != nil {
		f.Fatal(err)
	}
	return opened
}

// rotate adds a key and lets it seal at once.
func (f *fixture) rotate() (was, is vault.KeyID) {
	f.Helper()
	ring := f.current()
	added := must(f, ring, secrets.NewAddKey)
	worldtest.Must(f.World, added)
	worldtest.Must(f.World, must(f, f.current(), promote(added.Key, true)))
	return ring.Primary, added.Key
}

// vault starts one, as a process would.
func (f *fixture) vault(cfg vault.Config) *vault.Vault {
	f.Helper()
	cfg.KEKs, cfg.Now = f.keks, time.Now
	v := vault.New(cfg, f.Pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := v.Start(context.Background()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := v.Stop(context.Background()); err != nil {
			f.Error(err)
		}
	})
	return v
}

func (f *fixture) seal(v *vault.Vault, text string, at keyring.Place) []byte {
	f.Helper()
	sealed, err := v.Seal(context.Background(), secret.New(text), at)
	if err != nil {
		f.Fatal(err)
	}
	return sealed
}

// fill puts n seeds in, each of which reveals its row and a zero.
func (f *fixture) fill(v *vault.Vault, n int) []uuid.UUID {
	f.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = f.NewID()
		f.Exec(`insert into safe (id, seed) values ($1, $2)`, ids[i], f.seal(v, text(ids[i].String(), 0), seeds.At(ids[i].String())))
	}
	return ids
}

const canary = "JBSWY3DPEHPK3PXP-canary"

func text(row string, n int64) string { return fmt.Sprintf("%s %s %d", canary, row, n) }

// renewAll renews until nothing is left to go over.
func (f *fixture) renewAll(v *vault.Vault) *vault.Renewal {
	f.Helper()
	renewal, err := v.Renewal(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	for more := true; more; {
		if more, err = renewal.Next(context.Background()); err != nil {
			f.Fatal(err)
		}
	}
	return renewal
}

func (f *fixture) sealedBy(key vault.KeyID) int64 {
	f.Helper()
	columns, err := vault.Columns(context.Background(), f.Pool)
	if err != nil {
		f.Fatal(err)
	}
	counted, err := vault.Count(context.Background(), f.Pool, columns)
	if err != nil {
		f.Fatal(err)
	}
	return vault.SealedBy(counted, key)
}

func isCode(err error, code string) bool {
	var fe *fault.Error
	return errors.As(err, &fe) && fe.Code == code
}

func (f *fixture) run(order command.Command[secrets.Ring]) error {
	_, err := command.Run(context.Background(), f.DB, f.Meta(), order)
	return err
}
