package policy_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// The job renews in runs of a bounded size, until nothing is left; without a ring it has nothing to do.
func TestSecretsAreRenewed(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	path := filepath.Join(t.TempDir(), "kek")
	if err := os.WriteFile(path, []byte(keyring.GenerateKEK().Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	keks := vault.KEKs{URI: "file:" + path}
	log := slog.New(slog.DiscardHandler)
	v := vault.New(vault.Config{KEKs: keks, Now: time.Now}, w.Pool, log, prometheus.NewRegistry())
	if more, err := policy.RenewSecretsNow(t.Context(), v, 1); more || err != nil {
		t.Errorf("without a ring: %v, %v", more, err)
	}
	if err := v.Health(t.Context()); err != nil {
		t.Errorf("a job that finds no ring is no trouble: %v", err)
	}
	rotated(t, w, keks, 450)
	for i, want := range []bool{true, true, true, false} { // 200, 200, 50, and the look that finds nothing
		if more, err := policy.RenewSecretsNow(t.Context(), v, 1); more != want || err != nil {
			t.Errorf("run %d: %v, %v", i, more, err)
		}
	}
	if n := worldtest.One[int](w, `select count(*) from safe, secret_ring where secret_key_of(seed) = primary_key`); n != 450 {
		t.Errorf("%d are renewed", n)
	}
	rotate(t, w, keks)
	runner := jobs.New(jobs.Config{Poll: 100 * time.Millisecond}, w.Pool, log, prometheus.NewRegistry())
	policy.RegisterRenewal(runner, v)
	if err := runner.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = runner.Stop(context.Background()) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := worldtest.One[int](w, `select count(*) from safe, secret_ring where secret_key_of(seed) <> primary_key`)
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the job left %d", left)
		}
	}
}

// rotated makes a ring, values sealed by it, and another key that seals from then on.
func rotated(t *testing.T, w *worldtest.World, keks vault.KEKs, values int) {
	t.Helper()
	w.Exec(`create table safe (id bigint primary key, seed bytea);
		create trigger sealed before insert or update of seed on safe for each row execute function secret_guard('seed', 'id');
		grant select, insert, update on safe to ezscale_command`)
	kek, err := keks.Open()
	if err != nil {
		t.Fatal(err)
	}
	create, err := secrets.NewCreateRing(kek)
	if err != nil {
		t.Fatal(err)
	}
	worldtest.Must(w, create)
	ring, err := vault.Current(t.Context(), w.Pool, keks)
	if err != nil {
		t.Fatal(err)
	}
	column := vault.Column{Table: "safe", Name: "seed", Key: "id"}
	for i := range values {
		sealed, err := ring.Ring.Seal(secret.New("x"), column.At(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		w.Exec(`insert into safe values ($1, $2)`, i, sealed)
	}
	rotate(t, w, keks)
}

func rotate(t *testing.T, w *worldtest.World, keks vault.KEKs) {
	t.Helper()
	ring, err := vault.Current(t.Context(), w.Pool, keks)
	if err != nil {
		t.Fatal(err)
	}
	add, err := secrets.NewAddKey(ring)
	if err != nil {
		t.Fatal(err)
	}
	worldtest.Must(w, add)
	if ring, err = vault.Current(t.Context(), w.Pool, keks); err != nil {
		t.Fatal(err)
	}
	promote, err := secrets.NewPromoteKey(ring, add.Key, true)
	if err != nil {
		t.Fatal(err)
	}
	worldtest.Must(w, promote)
}
