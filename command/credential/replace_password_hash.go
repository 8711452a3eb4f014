package credential

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

// ReplacePasswordHash stores a stronger hash of the same password, which only a login can make. Nobody is told: nothing
// has changed for the person.
type ReplacePasswordHash struct {
	PersonID uuid.UUID `json:"person_id"`
	Was      string    `json:"was" audit:"redact"`
	Hash     string    `json:"hash" audit:"redact"`
}

// Name is the command's name.
func (ReplacePasswordHash) Name() string { return "credential.ReplacePasswordHash" }

// Aggregates is the person.
func (c ReplacePasswordHash) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c ReplacePasswordHash) Validate() error {
	fields := checkPerson(c.PersonID)
	fields.Check(c.Was != "", "was", "is missing")
	fields.Check(c.Hash != "", "hash", "is missing")
	return fields.Err()
}

const replaceHash = `update password set hash = $3 where person_id = $1 and hash = $2`

// Handle replaces the hash. Forbidden: it is another one meanwhile.
func (c ReplacePasswordHash) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Used, []events.Event, error) {
	change := command.Change{Before: heldFields{Password: "old"}, After: heldFields{Password: "new"}}
	return Used{PersonID: c.PersonID, Change: change}, nil, use(ctx, tx, "password", replaceHash, c.PersonID, c.Was, c.Hash)
}
