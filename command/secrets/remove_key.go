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

// RemoveKey takes a key away for good. It is refused while a value is sealed by it: they are counted with the ring
// locked, which every writer of a sealed value waits for.
type RemoveKey struct {
	Key    vault.KeyID `json:"key"`
	AtOnce bool        `json:"at_once"` // without waiting until every process seals with another
	Next
}

// NewRemoveKey makes a ring without the key.
func NewRemoveKey(of vault.Opened, key vault.KeyID, atOnce bool) (RemoveKey, error) {
	if err := removable(of.State, key); err != nil {
		return RemoveKey{}, err
	}
	ring, err := of.Ring.Remove(uint32(key))
	if err != nil {
		return RemoveKey{}, err
	}
	next, err := nextOf(of.Version, ring, of.By)
	return RemoveKey{key, atOnce, next}, err
}

func removable(was vault.State, key vault.KeyID) error {
	switch {
	case !slices.Contains(was.Keys, key):
		return noSuchKey(key)
	case key == was.Primary:
		return fault.New(fault.Conflict, "key_is_primary", "key %s seals: promote another one before, and renew what it sealed", key)
	}
	return nil
}

// Name is the command's name.
func (RemoveKey) Name() string { return "secrets.RemoveKey" }

// Handle counts, and writes the ring.
func (c RemoveKey) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ring, []events.Event, error) {
	was, err := c.was(ctx, tx)
	if err != nil {
		return Ring{}, nil, err
	}
	if err := removable(was, c.Key); err != nil {
		return Ring{}, nil, err
	}
	if err := settled(was, c.AtOnce); err != nil {
		return Ring{}, nil, err
	}
	if err := c.unused(ctx, tx); err != nil {
		return Ring{}, nil, err
	}
	left := slices.DeleteFunc(slices.Clone(was.Keys), func(key vault.KeyID) bool { return key == c.Key })
	if c.Primary != was.Primary || !slices.Equal(c.Keys, left) {
		return Ring{}, nil, another("removing a key")
	}
	return c.put(ctx, tx, was)
}

func (c RemoveKey) unused(ctx context.Context, tx pgx.Tx) error {
	columns, err := vault.Columns(ctx, tx)
	if err != nil {
		return err
	}
	counted, err := vault.Count(ctx, tx, columns)
	if err != nil {
		return err
	}
	if n := vault.SealedBy(counted, c.Key); n > 0 {
		return fault.New(fault.Conflict, "key_in_use", "key %s has sealed %d values that are still there: `ezscale secrets renew` seals them anew", c.Key, n)
	}
	return nil
}
