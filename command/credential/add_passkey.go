package credential

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// maxPasskeys is how many a person may have: passkey.MaxCredentials.
const maxPasskeys = 20

// AddPasskey gives a person a passkey whose registration was verified.
type AddPasskey struct {
	PasskeyID         uuid.UUID `json:"passkey_id"`
	PersonID          uuid.UUID `json:"person_id"`
	Session           Sitting   `json:"session"`
	PasskeyName       string    `json:"name" audit:"redact"`
	CredentialID      []byte    `json:"credential_id" audit:"redact"`
	PublicKey         []byte    `json:"public_key" audit:"redact"`
	SignCount         uint32    `json:"sign_count"`
	AAGUID            []byte    `json:"aaguid"`
	Transports        []string  `json:"transports"`
	AttestationFormat string    `json:"attestation_format"`
	BackupEligible    bool      `json:"backup_eligible"`
	BackedUp          bool      `json:"backed_up"`
}

// Name is the command's name.
func (AddPasskey) Name() string { return "credential.AddPasskey" }

// Aggregates is the person.
func (c AddPasskey) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c AddPasskey) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "passkey_id", c.PasskeyID)
	check.ID(&fields, "person_id", c.PersonID)
	c.Session.check(&fields)
	check.Text(&fields, "name", c.PasskeyName)
	fields.Check(len(c.CredentialID) > 0, "credential_id", "is missing")
	fields.Check(len(c.PublicKey) > 0, "public_key", "is missing")
	return fields.Err()
}

// Constraints says what a passkey that is known means. It may be another person's.
func (AddPasskey) Constraints() map[string]*fault.Error {
	return map[string]*fault.Error{
		"passkey_credential_id_key": fault.New(fault.Conflict, "passkey_exists", "this passkey is set up already"),
	}
}

const (
	countPasskeys = `select count(*) from passkey where person_id = $1`

	insertPasskey = `
insert into passkey (id, person_id, credential_id, public_key, sign_count, aaguid, transports, attestation_format, backup_eligible, backed_up, name, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
)

// Handle adds the passkey.
func (c AddPasskey) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Managed, []events.Event, error) {
	before, err := c.Session.findAllowed(ctx, tx, c.PersonID)
	if err != nil {
		return Managed{}, nil, err
	}
	var count int
	if err := tx.QueryRow(ctx, countPasskeys, c.PersonID).Scan(&count); err != nil {
		return Managed{}, nil, fmt.Errorf("count passkeys: %w", err)
	}
	if count >= maxPasskeys {
		return Managed{}, nil, fault.New(fault.Conflict, "too_many_passkeys", "a person has at most %d passkeys: remove one first", maxPasskeys)
	}
	transports := c.Transports
	if transports == nil {
		transports = []string{}
	}
	if _, err := tx.Exec(ctx, insertPasskey, c.PasskeyID, c.PersonID, c.CredentialID, c.PublicKey, int64(c.SignCount), c.AAGUID, transports,
		c.AttestationFormat, c.BackupEligible, c.BackedUp, c.PasskeyName, meta.Now); err != nil {
		return Managed{}, nil, fmt.Errorf("insert passkey: %w", err)
	}
	managed, err := c.Session.strengthen(ctx, tx, before, "passkey")
	if err != nil {
		return Managed{}, nil, err
	}
	return managed, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "passkey", Change: "added"}}, nil
}
