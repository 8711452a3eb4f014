package oauth

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

// ChangeClient changes a client's settings, whole. A scope that it loses is worth nothing in its tokens from then on.
type ChangeClient struct {
	ClientID uuid.UUID  `json:"client_id"`
	By       *uuid.UUID `json:"by,omitempty"` // which of the staff; see demand
	ClientSettings
}

// ChangedClient is the answer.
type ChangedClient struct {
	ClientID uuid.UUID `json:"client_id"`
	command.Change
}

// Name is the command's name.
func (ChangeClient) Name() string { return "oauth.ChangeClient" }

// Aggregates is the client.
func (c ChangeClient) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeClient, ID: c.ClientID}}
}

// Validate checks what does not hang on the client's site.
func (c ChangeClient) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "client_id", c.ClientID)
	return fields.Err()
}

// Constraints says what is not there.
func (c ChangeClient) Constraints() map[string]*fault.Error { return noCustomer(c.CustomerID) }

const updateClient = `update oauth_client set name = $2, redirect_uris = $3, grants = $4, scopes = $5, customer_id = $6 where id = $1`

// Handle changes the client.
func (c ChangeClient) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (ChangedClient, []events.Event, error) {
	was, err := find(ctx, tx, c.ClientID)
	if err != nil {
		return ChangedClient{}, nil, err
	}
	var fields fault.Fields
	if c.check(&fields, was.site, was.public); fields.Err() != nil {
		return ChangedClient{}, nil, fields.Err()
	}
	if err := demand(ctx, tx, c.By, was.site, was.ClientSettings, c.ClientSettings); err != nil {
		return ChangedClient{}, nil, err
	}
	_, err = tx.Exec(ctx, updateClient, c.ClientID, c.ClientName, list(c.RedirectURIs), list(c.Grants), list(c.Scopes), c.CustomerID)
	if err != nil {
		return ChangedClient{}, nil, fmt.Errorf("update client %s: %w", c.ClientID, err)
	}
	return ChangedClient{ClientID: c.ClientID, Change: command.Change{Before: was.ClientSettings, After: c.ClientSettings}}, []events.Event{events.ClientChanged{ClientID: c.ClientID}}, nil
}
