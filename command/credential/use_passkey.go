package credential

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/schemas/events"
)

// UsePasskey notes that a passkey has answered, and what its authenticator said of itself.
type UsePasskey struct {
	PersonID  uuid.UUID `json:"person_id"`
	PasskeyID uuid.UUID `json:"passkey_id"`
	SignCount uint32    `json:"sign_count"`
	BackedUp  bool      `json:"backed_up"`
}

// Name is the command's name.
func (UsePasskey) Name() string { return "credential.UsePasskey" }

// Aggregates is the person.
func (c UsePasskey) Aggregates() []events.Aggregate { return person(c.PersonID) }

// Validate checks the fields.
func (c UsePasskey) Validate() error {
	fields := checkPerson(c.PersonID)
	check.ID(&fields, "passkey_id", c.PasskeyID)
	return fields.Err()
}

// A counter that stays zero says nothing; any other has to grow.
const usePasskey = `
update passkey set sign_count = $3, backed_up = $4, last_used_at = $5
where id = $1 and person_id = $2 and cloned_at is null and (sign_count < $3 or sign_count = 0 and $3 = 0)`

// Handle notes it. Forbidden: an answer with this counter or a later one was there before, or the passkey no longer counts.
func (c UsePasskey) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Used, []events.Event, error) {
	err := use(ctx, tx, "passkey", usePasskey, c.PasskeyID, c.PersonID, int64(c.SignCount), c.BackedUp, meta.Now)
	return Used{PersonID: c.PersonID}, nil, err
}
