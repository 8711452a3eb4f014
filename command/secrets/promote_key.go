package secrets

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/schemas/events"
)

// PromoteKey lets another key of the ring seal.
type PromoteKey struct {
	Key    vault.KeyID `json:"key"`
	AtOnce bool        `json:"at_once"` // without waiting until every process has the key
	Next
}

// NewPromoteKey makes a ring with the key as its primary.
func NewPromoteKey(of vault.Opened, key vault.KeyID, atOnce bool) (PromoteKey, error) {
	if err := promotable(of.State, key); err != nil {
		return PromoteKey{}, err
	}
	ring, err := of.Ring.Promote(uint32(key))
	if err != nil {
		return PromoteKey{}, err
	}
	next, err := nextOf(of.Version, ring, of.By)
	return PromoteKey{key, atOnce, next}, err
}

func promotable(was vault.State, key vault.KeyID) error {
	switch {
	case !slices.Contains(was.Keys, key):
		return noSuchKey(key)
	case key == was.Primary:
		return fault.New(fault.Conflict, "key_is_primary", "key %s is the primary already", key)
	}
	return nil
}

// Name is the command's name.
func (PromoteKey) Name() string { return "secrets.PromoteKey" }

// Handle writes the ring.
func (c PromoteKey) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ring, []events.Event, error) {
	was, err := c.was(ctx, tx)
	if err != nil {
		return Ring{}, nil, err
	}
	if err := promotable(was, c.Key); err != nil {
		return Ring{}, nil, err
	}
	if err := settled(was, c.AtOnce); err != nil {
		return Ring{}, nil, err
	}
	if c.Primary != c.Key || !slices.Equal(c.Keys, was.Keys) {
		return Ring{}, nil, another("promoting a key")
	}
	return c.put(ctx, tx, was)
}
