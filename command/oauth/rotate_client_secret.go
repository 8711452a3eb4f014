package oauth

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// RotateClientSecret gives a confidential client another secret. The old one no longer works; tokens do.
type RotateClientSecret struct {
	ClientID   uuid.UUID   `json:"client_id"`
	By         *uuid.UUID  `json:"by,omitempty"` // which of the staff; see demand
	SecretHash secret.Hash `json:"secret_hash" audit:"redact"`
}

// secretFields say in the audit row that the secret is another one; the words stand for hashes, which nobody is shown.
type secretFields struct {
	Secret string `json:"secret" audit:"redact"`
}

// Name is the command's name.
func (RotateClientSecret) Name() string { return "oauth.RotateClientSecret" }

// Aggregates is the client.
func (c RotateClientSecret) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeClient, ID: c.ClientID}}
}

// Validate checks the fields.
func (c RotateClientSecret) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "client_id", c.ClientID)
	fields.Check(c.SecretHash != secret.Hash{}, "secret_hash", "is missing")
	return fields.Err()
}

const updateSecret = `update oauth_client set secret_hash = $2 where id = $1`

// Handle changes the secret.
func (c RotateClientSecret) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (ChangedClient, []events.Event, error) {
	found, err := find(ctx, tx, c.ClientID)
	if err != nil {
		return ChangedClient{}, nil, err
	}
	if found.public {
		return ChangedClient{}, nil, fault.New(fault.Conflict, "client_is_public", "a public client has no secret")
	}
	if err := demand(ctx, tx, c.By, found.site, found.ClientSettings); err != nil {
		return ChangedClient{}, nil, err
	}
	if _, err := tx.Exec(ctx, updateSecret, c.ClientID, c.SecretHash[:]); err != nil {
		return ChangedClient{}, nil, fmt.Errorf("update the secret of %s: %w", c.ClientID, err)
	}
	change := command.Change{Before: secretFields{"old"}, After: secretFields{"new"}}
	return ChangedClient{ClientID: c.ClientID, Change: change}, nil, nil
}
