package credential

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// UseRecoveryCode uses a recovery code up. The person is told.
type UseRecoveryCode struct {
	PersonID uuid.UUID   `json:"person_id"`
	Hash     secret.Hash `json:"hash" audit:"redact"`
}

// Name is the command's name.
func (UseRecoveryCode) Name() string { return "credential.UseRecoveryCode" }

// Aggregates is the person.
func (c UseRecoveryCode) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c UseRecoveryCode) Validate() error {
	fields := checkPerson(c.PersonID)
	fields.Check(c.Hash != secret.Hash{}, "hash", "is missing")
	return fields.Err()
}

const useRecoveryCode = `update recovery_code set used_at = $3 where hash = $1 and person_id = $2 and used_at is null`

// Handle uses the code up. Forbidden: it was used before, or is none of the person's.
func (c UseRecoveryCode) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Used, []events.Event, error) {
	if err := use(ctx, tx, "recovery code", useRecoveryCode, c.Hash[:], c.PersonID, meta.Now); err != nil {
		return Used{}, nil, err
	}
	return Used{PersonID: c.PersonID}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "recovery_codes", Change: "used"}}, nil
}
