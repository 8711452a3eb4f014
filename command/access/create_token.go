package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// Bounds of tokens.
const (
	maxTokens        = 50 // of a person, that work
	maxTokenLifetime = 366 * 24 * time.Hour
	maxHint          = 16 // bytes
)

// CreateToken gives a person's program a token. What it may do is asked again at each use; here it is what its owner may
// do now and may give away.
type CreateToken struct {
	TokenID    uuid.UUID               `json:"token_id"`
	Hash       secret.Hash             `json:"hash" audit:"redact"`
	Hint       string                  `json:"hint"` // its first signs
	TokenName  string                  `json:"name" audit:"redact"`
	PersonID   uuid.UUID               `json:"person_id"`
	SessionID  uuid.UUID               `json:"session_id"`            // at which it is made, which has to be open still
	CustomerID *uuid.UUID              `json:"customer_id,omitempty"` // the account that it is for; nil: staff's
	Scopes     []permission.Permission `json:"scopes"`
	Grantable  []permission.Permission `json:"grantable"` // by its owner, now
	At         time.Time               `json:"at"`        // by the machine's clock
	Lifetime   time.Duration           `json:"lifetime"`  // nanoseconds
}

// CreatedToken is the answer.
type CreatedToken struct {
	TokenID uuid.UUID `json:"token_id"`
}

// Name is the command's name.
func (CreateToken) Name() string { return "access.CreateToken" }

// Aggregates is the owner, who is locked while their tokens are counted.
func (c CreateToken) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c CreateToken) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "token_id", c.TokenID)
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "session_id", c.SessionID)
	check.Text(&fields, "name", c.TokenName)
	fields.Check(c.Hash != secret.Hash{}, "hash", "is missing")
	fields.Check(c.Hint != "" && len(c.Hint) <= maxHint, "hint", "has one to %d signs", maxHint)
	check.At(&fields, c.At)
	fields.Check(c.Lifetime > 0 && c.Lifetime <= maxTokenLifetime, "lifetime", "is not between nothing and %s", maxTokenLifetime)
	fields.Check(len(c.Scopes) > 0, "scopes", "name what the token is for")
	for i, scope := range c.Scopes {
		path := fmt.Sprintf("scopes[%d]", i)
		fields.Check(slices.Contains(c.Grantable, scope), path, "%q is nothing that you can give to a token", scope)
		fields.Check(!slices.Contains(c.Scopes[:i], scope), path, "%q is named twice", scope)
	}
	return fields.Err()
}

const (
	countTokens = `
select (select count(*) from api_token where person_id = $1 and revoked_at is null and expires_at > $2),
    exists (select from session where id = $3 and person_id = $1 and ended_at is null)`

	insertToken = `
insert into api_token (id, hash, hint, name, person_id, customer_id, scopes, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

// Handle creates the token.
func (c CreateToken) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (CreatedToken, []events.Event, error) {
	var count int
	var open bool
	if err := tx.QueryRow(ctx, countTokens, c.PersonID, c.At, c.SessionID).Scan(&count, &open); err != nil {
		return CreatedToken{}, nil, fmt.Errorf("count tokens: %w", err)
	}
	if !open {
		return CreatedToken{}, nil, fault.New(fault.Forbidden, "session_over", "this session is over: sign in again")
	}
	if count >= maxTokens {
		return CreatedToken{}, nil, fault.New(fault.Conflict, "too_many_tokens", "a person has at most %d tokens: revoke one first", maxTokens)
	}
	scopes := make([]string, len(c.Scopes))
	for i, scope := range c.Scopes {
		scopes[i] = string(scope)
	}
	_, err := tx.Exec(ctx, insertToken, c.TokenID, c.Hash[:], c.Hint, c.TokenName, c.PersonID, c.CustomerID, scopes, c.At, c.At.Add(c.Lifetime))
	if err != nil {
		return CreatedToken{}, nil, fmt.Errorf("insert token: %w", err)
	}
	return CreatedToken{TokenID: c.TokenID}, []events.Event{events.CredentialChanged{PersonID: c.PersonID, Kind: "api_token", Change: "added"}}, nil
}
