package secretring

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/gateway/transit/transittest"
	"github.com/ezscale/platform/internal/postgres"
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

// While Vault is away, its ring is not given up for lost, whatever key would wrap the new one.
func TestNothingIsLostWhileVaultIsAway(t *testing.T) {
	t.Parallel()
	db, kms := postgrestest.New(t), transittest.New(t)
	cfg := config.Config{DataDir: t.TempDir(), Postgres: db.DSN(), SecretKey: kms.Key("ezscale"), Vault: config.Vault{Token: secret.New(transittest.Token), CA: kms.CA()}}
	if err := Ensure(t.Context(), cfg, false, quiet()); err != nil {
		t.Fatal(err)
	}
	kms.Seal()
	cfg.SecretKey, cfg.SecretKeyOld = "", []string{cfg.SecretKey}
	if err := makeKEK(cfg); err != nil {
		t.Fatal(err)
	}
	replace := func() error {
		keks, err := KEKs(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return replaceLost(t.Context(), io.Discard, &desk{&operator.Platform{Config: cfg, Pool: db.Pool(postgres.RoleCommand), Log: quiet()}, keks}, false)
	}
	if err := replace(); !errors.Is(err, keyring.ErrKMS) || !strings.Contains(err.Error(), "gone for good") {
		t.Errorf("while it is away: %v", err)
	}
	cfg.SecretKeyOld = nil
	if err := replace(); err != nil {
		t.Errorf("when it is not named any more: %v", err)
	}
}
