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

// CreateClient registers a program.
type CreateClient struct {
	ClientID   uuid.UUID    `json:"client_id"`
	Site       string       `json:"site"`
	SecretHash *secret.Hash `json:"secret_hash,omitempty" audit:"redact"` // nil: a public client
	By         *uuid.UUID   `json:"by,omitempty"`                         // which of the staff; see demand
	ClientSettings
}

// Name is the command's name.
func (CreateClient) Name() string { return "oauth.CreateClient" }

// Aggregates is the new client.
func (c CreateClient) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeClient, ID: c.ClientID}}
}

// Validate checks the fields.
func (c CreateClient) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "client_id", c.ClientID)
	checkSite(&fields, c.Site)
	c.check(&fields, c.Site, c.SecretHash == nil)
	return fields.Err()
}

// Constraints says what is not there.
func (c CreateClient) Constraints() map[string]*fault.Error { return noCustomer(c.CustomerID) }

func noCustomer(id *uuid.UUID) map[string]*fault.Error {
	return map[string]*fault.Error{"oauth_client_customer_id_fkey": fault.New(fault.NotFound, "customer_not_found", "there is no customer %v", id)}
}

const insertClient = `
insert into oauth_client (id, site, name, secret_hash, redirect_uris, grants, scopes, customer_id, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// Handle registers the client.
func (c CreateClient) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Client, []events.Event, error) {
	if err := demand(ctx, tx, c.By, c.Site, c.ClientSettings); err != nil {
		return Client{}, nil, err
	}
	var hash []byte
	if c.SecretHash != nil {
		hash = c.SecretHash[:]
	}
	_, err := tx.Exec(ctx, insertClient, c.ClientID, c.Site, c.ClientName, hash, list(c.RedirectURIs), list(c.Grants), list(c.Scopes), c.CustomerID, meta.Now)
	if err != nil {
		return Client{}, nil, fmt.Errorf("insert client: %w", err)
	}
	return Client{ClientID: c.ClientID}, nil, nil
}

// list is never null.
func list(of []string) []string {
	if of == nil {
		return []string{}
	}
	return of
}
