// Package proving makes the tools by which people prove who they are, from the settings.
package proving

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret/vault"
)

// Parts are what the tools stand on.
type Parts struct {
	Door     *pgxpool.Pool // with the door's role
	Vault    *vault.Vault
	Now      func() time.Time // the machine's clock
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Tools makes them. The caller calls release at the end.
func Tools(cfg config.Config, sites guard.Sites, p Parts) (tools proofs.Tools, release func(), err error) {
	release = func() {}
	tools.Vault = p.Vault
	tools.Limiter = limiter.New(p.Door, p.Now, p.Log, p.Registry)
	tools.Begun = ephemeral.New(p.Door, p.Now, p.Registry)
	if tools.Hasher, err = password.NewHasher(password.Recommended(), runtime.GOMAXPROCS(0)); err != nil {
		return tools, release, fmt.Errorf("compose the passwords: %w", err)
	}
	var breached *password.Breached
	if cfg.BreachedPasswords != "" {
		if breached, err = password.OpenBreached(cfg.BreachedPasswords); err != nil {
			return tools, release, fmt.Errorf("EZSCALE_BREACHED_PASSWORDS: %w", err)
		}
		release = func() { _ = breached.Close() }
	}
	if tools.Policy, err = password.NewPolicy(password.DefaultMinimum, breached, cfg.Brand); err != nil {
		return tools, release, fmt.Errorf("compose the passwords: %w", err)
	}
	tools, err = tools.WithSites(sites, cfg.Brand, p.Now)
	return tools, release, err
}
