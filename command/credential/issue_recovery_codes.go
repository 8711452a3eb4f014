package credential

import (
	"context"
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

// maxRecoveryCodes is how many a person may have at once.
const maxRecoveryCodes = 20

// IssueRecoveryCodes gives a person recovery codes; those from before are worth nothing any more.
type IssueRecoveryCodes struct {
	PersonID uuid.UUID     `json:"person_id"`
	Session  Sitting       `json:"session"`
	Hashes   []secret.Hash `json:"hashes" audit:"redact"`
}

// Name is the command's name.
func (IssueRecoveryCodes) Name() string { return "credential.IssueRecoveryCodes" }

// Aggregates is the person.
func (c IssueRecoveryCodes) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c IssueRecoveryCodes) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	c.Session.check(&fields)
	fields.Check(len(c.Hashes) > 0 && len(c.Hashes) <= maxRecoveryCodes, "hashes", "want one to %d", maxRecoveryCodes)
	return fields.Err()
}

const (
	takeRecoveryCodes = `with taken as (delete from recovery_code where person_id = $1 returning issued_at) select max(issued_at) from taken`

	insertRecoveryCodes = `insert into recovery_code (hash, person_id, issued_at) select h, $2, $3 from unnest($1::bytea[]) as h`
)

// Handle replaces the codes.
func (c IssueRecoveryCodes) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Managed, []events.Event, error) {
	before, err := c.Session.findAllowed(ctx, tx, c.PersonID)
	if err != nil {
		return Managed{}, nil, err
	}
	if before.secondFactors() == 0 {
		return Managed{}, nil, fault.New(fault.Conflict, "no_second_factor", "recovery codes stand in for a second factor: set one up first")
	}
	hashes := make([][]byte, len(c.Hashes))
	for i, h := range c.Hashes {
		hashes[i] = h[:]
	}
	was, is := before.fields(), before.fields()
	var issued *time.Time
	if err := tx.QueryRow(ctx, takeRecoveryCodes, c.PersonID).Scan(&issued); err != nil {
		return Managed{}, nil, fmt.Errorf("delete recovery codes: %w", err)
	}
	if _, err := tx.Exec(ctx, insertRecoveryCodes, hashes, c.PersonID, meta.Now); err != nil {
		return Managed{}, nil, fmt.Errorf("insert recovery codes: %w", err)
	}
	is.RecoveryCodes, is.CodesIssuedAt = len(hashes), meta.Now.UTC()
	change := "added"
	if issued != nil {
		was.CodesIssuedAt = issued.UTC()
		change = "changed"
	}
	return Managed{Change: command.Change{Before: was, After: is}}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "recovery_codes", Change: change}}, nil
}
