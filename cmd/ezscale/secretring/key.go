package secretring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tink-crypto/tink-go/v2/core/registry"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/gateway/transit"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// keyFile is where the key that wraps the ring is below the data directory, unless EZSCALE_SECRET_KEY names another.
const keyFile = "secrets/secret-key"

// starter is who orders a ring when a platform starts for the first time.
const starter = "policy:first-start"

// KEKs names the keys that open the ring.
func KEKs(cfg config.Config) (vault.KEKs, error) {
	kms := transit.New(transit.Config{Token: cfg.Vault.Token, TokenFile: cfg.Vault.TokenFile, CA: cfg.Vault.CA, Namespace: cfg.Vault.Namespace})
	keks := vault.KEKs{URI: cfg.SecretKey, Old: cfg.SecretKeyOld, Lookup: lookup, KMS: []registry.KMSClient{kms}}
	if keks.URI == "" {
		path, err := filepath.Abs(filepath.Join(cfg.DataDir, keyFile))
		if err != nil {
			return keks, fmt.Errorf("find the key of secrets: %w", err)
		}
		keks.URI = "file:" + path
	}
	return keks, nil
}

// makeKEK makes the key in the data directory, if nobody has. One that EZSCALE_SECRET_KEY names must be there: where an
// operator says that a key is and it is not, another one would hide that.
func makeKEK(cfg config.Config) error {
	if cfg.SecretKey != "" {
		return nil
	}
	return runfile.MakeOnce(filepath.Join(cfg.DataDir, keyFile), []byte(keyring.GenerateKEK().Reveal()+"\n"))
}

// hasKEK tells whether there is a key to wrap with, or at least somebody says so.
func hasKEK(cfg config.Config) bool {
	if cfg.SecretKey != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(cfg.DataDir, keyFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// Ensure sees that there is a ring. It makes a key for it only where invent says that the data directory lasts, and never
// where there is a ring: that one would not open by it, and the new key would look like the lost one. Any number of
// processes may call it at once.
func Ensure(ctx context.Context, cfg config.Config, invent bool, log *slog.Logger) error {
	pool, err := postgres.Open(ctx, postgres.Config{DSN: cfg.Postgres, Role: postgres.RoleCommand, MaxConns: 2, ApplicationName: "ezscale secrets"})
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := vault.Read(ctx, pool); !errors.Is(err, vault.ErrNoRing) {
		return err
	}
	if !invent && !hasKEK(cfg) {
		log.Warn("there is no key for secrets yet, so none can be stored", "remedy", "set EZSCALE_SECRET_KEY for all roles, then run `ezscale secrets init`")
		return nil
	}
	meta := command.Meta{Actor: starter, Now: machineNow(), NewID: newID}
	_, err = create(ctx, cfg, command.NewDB(pool, noWaker{}, log, prometheus.NewRegistry()), meta)
	return err
}

// create makes the key where it may, and the ring. made tells whether it was this call.
func create(ctx context.Context, cfg config.Config, db *command.DB, meta command.Meta) (made bool, err error) {
	keks, err := KEKs(cfg)
	if err != nil {
		return false, err
	}
	if err := makeKEK(cfg); err != nil {
		return false, err
	}
	kek, err := keks.Open()
	if err != nil {
		return false, err
	}
	order, err := secrets.NewCreateRing(kek)
	if err != nil {
		return false, err
	}
	if _, err = command.Run(ctx, db, meta, order); err != nil {
		if fault.Is(err, fault.Conflict) { // another process was faster
			return false, nil
		}
		return false, err
	}
	return true, nil
}

// NewVault makes the vault of a process.
func NewVault(cfg config.Config, pool *pgxpool.Pool, log *slog.Logger, reg prometheus.Registerer) (*vault.Vault, error) {
	keks, err := KEKs(cfg)
	if err != nil {
		return nil, err
	}
	return vault.New(vault.Config{KEKs: keks, Now: machineNow}, pool, log, reg), nil
}
