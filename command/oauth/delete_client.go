package oauth

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// DeleteClient takes a program out, with every consent, code and token that it has.
type DeleteClient struct {
	ClientID uuid.UUID `json:"client_id"`
}

// Name is the command's name.
func (DeleteClient) Name() string { return "oauth.DeleteClient" }

// Aggregates is the client.
func (c DeleteClient) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeClient, ID: c.ClientID}}
}

// Validate checks the fields.
func (c DeleteClient) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "client_id", c.ClientID)
	return fields.Err()
}

const deleteClient = `delete from oauth_client where id = $1 returning name, redirect_uris, grants, scopes, customer_id`

// Handle deletes the client.
func (c DeleteClient) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (ChangedClient, []events.Event, error) {
	var was ClientSettings
	err := tx.QueryRow(ctx, deleteClient, c.ClientID).Scan(&was.ClientName, &was.RedirectURIs, &was.Grants, &was.Scopes, &was.CustomerID)
	if errors.Is(err, pgx.ErrNoRows) {
		return ChangedClient{}, nil, noClient(c.ClientID)
	}
	if err != nil {
		return ChangedClient{}, nil, fmt.Errorf("delete client %s: %w", c.ClientID, err)
	}
	return ChangedClient{ClientID: c.ClientID, Change: command.Change{Before: was, After: ClientSettings{}}}, nil, nil
}
