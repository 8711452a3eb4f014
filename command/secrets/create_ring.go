package secrets

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/schemas/events"
)

// CreateRing makes the first ring. Of several at once one does, and the others are told ring_exists.
type CreateRing struct{ Next }

// NewCreateRing makes a ring of one key.
func NewCreateRing(kek *keyring.KEK) (CreateRing, error) {
	ring, err := keyring.New()
	if err != nil {
		return CreateRing{}, err
	}
	next, err := nextOf(0, ring, kek)
	return CreateRing{next}, err
}

// Name is the command's name.
func (CreateRing) Name() string { return "secrets.CreateRing" }

const insertRing = `insert into secret_ring (version, wrapped, kek, kek_id, keys, primary_key) values (1, $1, $2, $3, $4, $5) on conflict do nothing`

// Handle writes the ring.
func (c CreateRing) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Ring, []events.Event, error) {
	tag, err := tx.Exec(ctx, insertRing, c.Wrapped, c.KEK, c.kekID(), c.keys(), int64(c.Primary))
	if err != nil {
		return Ring{}, nil, fmt.Errorf("insert the ring of secrets: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return Ring{}, nil, fault.New(fault.Conflict, "ring_exists", "there is a ring of keys already")
	}
	return Ring{Version: 1}, nil, nil
}
