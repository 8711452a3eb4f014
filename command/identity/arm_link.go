package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// ArmLink gives a link the hash of a token, the moment before its mail is sent. A mail that is sent again holds a new
// token, and the one before works no longer.
type ArmLink struct {
	LinkID uuid.UUID   `json:"link_id"`
	Hash   secret.Hash `json:"hash" audit:"redact"`
	At     time.Time   `json:"at"` // by the machine's clock
}

// ArmedLink is the answer.
type ArmedLink struct {
	LinkID    uuid.UUID `json:"link_id"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Name is the command's name.
func (ArmLink) Name() string { return "identity.ArmLink" }

// Aggregates is the link.
func (c ArmLink) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeLink, ID: c.LinkID}}
}

// Validate checks the fields.
func (c ArmLink) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "link_id", c.LinkID)
	fields.Check(c.Hash != secret.Hash{}, "hash", "is missing")
	check.At(&fields, c.At)
	return fields.Err()
}

const armLink = `
update link set token_hash = $2 where id = $1 and used_at is null and revoked_at is null and expires_at > $3 returning expires_at`

// Handle arms the link.
func (c ArmLink) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (ArmedLink, []events.Event, error) {
	armed := ArmedLink{LinkID: c.LinkID}
	err := tx.QueryRow(ctx, armLink, c.LinkID, c.Hash[:], c.At).Scan(&armed.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return ArmedLink{}, nil, InvalidLink()
	}
	if err != nil {
		return ArmedLink{}, nil, fmt.Errorf("arm link %s: %w", c.LinkID, err)
	}
	return armed, nil, nil
}
