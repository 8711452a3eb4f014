package secrets

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/schemas/events"
)

// ReplaceRing begins anew where the key-encryption key is lost. Everything that was sealed is lost with it, and stays
// unreadable where it is until it is entered again. Who orders it has seen that the old ring does not open.
type ReplaceRing struct{ Next }

// NewReplaceRing makes a ring of one key in the place of another.
func NewReplaceRing(of vault.State, kek *keyring.KEK) (ReplaceRing, error) {
	ring, err := keyring.New()
	if err != nil {
		return ReplaceRing{}, err
	}
	next, err := nextOf(of.Version, ring, kek)
	return ReplaceRing{next}, err
}

// Name is the command's name.
func (ReplaceRing) Name() string { return "secrets.ReplaceRing" }

// Handle writes the ring.
func (c ReplaceRing) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ring, []events.Event, error) {
	was, err := c.was(ctx, tx)
	if err != nil {
		return Ring{}, nil, err
	}
	return c.put(ctx, tx, was)
}
