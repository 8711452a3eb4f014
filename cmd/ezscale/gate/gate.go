// Package gate makes what stands before the admin site, from the settings: Cloudflare Access, or nothing.
package gate

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/gateway/cloudflare"
)

// Gate judges assertions for the edge. Start it before the edge.
type Gate struct{ *cloudflare.Verifier }

// New makes the gate; nil where the settings name none. The client is nil but in tests.
func New(cfg config.Access, now func() time.Time, client *http.Client, log *slog.Logger, reg prometheus.Registerer) (*Gate, error) {
	if cfg.Team == "" {
		return nil, nil
	}
	verifier, err := cloudflare.New(cloudflare.Config{Team: cfg.Team, Audience: cfg.Audience, Now: now, Client: client}, log, reg)
	if err != nil {
		return nil, fmt.Errorf("EZSCALE_ACCESS_TEAM, EZSCALE_ACCESS_AUDIENCE: %w", err)
	}
	return &Gate{verifier}, nil
}

// Verify is what the edge asks. Who has passed as a person is not who is signed in: that is for our own login to say.
func (g *Gate) Verify(ctx context.Context, assertion string) (program bool, err error) {
	id, err := g.Verifier.Verify(ctx, assertion)
	return id.Kind == cloudflare.ServiceToken, err
}
