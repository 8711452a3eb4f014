package secretring

import (
	"errors"
	"testing"

	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/gateway/transit/transittest"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// The settings lead to a key in Vault. While it is away, no ring is made, and no key in a file instead.
func TestKeyInVault(t *testing.T) {
	t.Parallel()
	db, kms := postgrestest.New(t), transittest.New(t)
	cfg := config.Config{DataDir: t.TempDir(), Postgres: db.DSN(), SecretKey: kms.Key("ezscale"), Vault: config.Vault{Token: secret.New(transittest.Token), CA: kms.CA()}}
	kms.Seal()
	if err := Ensure(t.Context(), cfg, true, quiet()); !errors.Is(err, keyring.ErrKMS) {
		t.Errorf("while it is sealed: %v", err)
	}
	if _, err := current(t, cfg, db); !errors.Is(err, vault.ErrNoRing) {
		t.Errorf("there is a ring: %v", err)
	}
	kms.Answer(nil)
	if err := Ensure(t.Context(), cfg, false, quiet()); err != nil {
		t.Fatal(err)
	}
	if ring, err := current(t, cfg, db); err != nil || ring.KEK != cfg.SecretKey || ring.KEKID != nil {
		t.Errorf("wrapped by %q, %v", ring.KEK, err)
	}
}
