package secrets

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/schemas/events"
)

// AddKey gives the ring one key more, which only reads until it is promoted.
type AddKey struct {
	Key vault.KeyID `json:"key"`
	Next
}

// NewAddKey makes the key.
func NewAddKey(of vault.Opened) (AddKey, error) {
	ring, key, err := of.Ring.Add()
	if err != nil {
		return AddKey{}, err
	}
	next, err := nextOf(of.Version, ring, of.By)
	return AddKey{vault.KeyID(key), next}, err
}

// Name is the command's name.
func (AddKey) Name() string { return "secrets.AddKey" }

// Handle writes the ring.
func (c AddKey) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ring, []events.Event, error) {
	was, err := c.was(ctx, tx)
	if err != nil {
		return Ring{}, nil, err
	}
	if c.Primary != was.Primary || !slices.Equal(c.Keys, append(slices.Clone(was.Keys), c.Key)) {
		return Ring{}, nil, another("adding a key")
	}
	return c.put(ctx, tx, was)
}
