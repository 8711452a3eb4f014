package secrets

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/schemas/events"
)

// RewrapRing wraps the same ring by another key-encryption key.
type RewrapRing struct{ Next }

// NewRewrapRing wraps the ring.
func NewRewrapRing(of vault.Opened, by *keyring.KEK) (RewrapRing, error) {
	next, err := nextOf(of.Version, of.Ring, by)
	return RewrapRing{next}, err
}

// Name is the command's name.
func (RewrapRing) Name() string { return "secrets.RewrapRing" }

// Handle writes the ring.
func (c RewrapRing) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ring, []events.Event, error) {
	was, err := c.was(ctx, tx)
	if err != nil {
		return Ring{}, nil, err
	}
	if c.Primary != was.Primary || !slices.Equal(c.Keys, was.Keys) {
		return Ring{}, nil, another("wrapping it anew")
	}
	return c.put(ctx, tx, was)
}
