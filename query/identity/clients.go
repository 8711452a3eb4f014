package identity

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Client is a program that acts for people.
type Client struct {
	ID           uuid.UUID  `json:"id" format:"uuid"`
	Site         string     `json:"site" enum:"account,admin"`
	Name         string     `json:"name"`
	Public       bool       `json:"public" doc:"It runs where no secret can be kept, and has none"`
	RedirectURIs []string   `json:"redirect_uris" nullable:"false"`
	Grants       []string   `json:"grants" nullable:"false"`
	Scopes       []string   `json:"scopes" nullable:"false"`
	CustomerID   *uuid.UUID `json:"customer_id,omitempty" format:"uuid" doc:"The account that it acts for by itself"`
	CustomerName string     `json:"customer_name,omitempty"`
	People       int        `json:"people" doc:"Who have allowed it something"`
	CreatedAt    time.Time  `json:"created_at"`
	Version      int64      `json:"version" doc:"Give it back to change only what you have seen"`
}

// Application is a program that a person has allowed something.
type Application struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	Name       string    `json:"name"`
	Scopes     []string  `json:"scopes" nullable:"false"`
	AllowedAt  time.Time `json:"allowed_at"`
	LastUsedAt time.Time `json:"last_used_at" doc:"When it last got a token"`
}

//go:embed list_clients.sql
var listClientsSQL string

//go:embed list_applications.sql
var listApplicationsSQL string

// ListClients lists clients by name. Now is the machine's time.
func ListClients(ctx context.Context, db query.Postgres, now time.Time, page query.Page) (query.List[Client], error) {
	var name, id *string
	key, err := query.DecodeCursor(page.Cursor, 2)
	if err != nil {
		return query.List[Client]{}, err
	}
	if key != nil {
		name, id = &key[0], &key[1]
	}
	rows, err := query.All[Client](ctx, db, listClientsSQL, nil, name, now, id, page.Rows())
	if err != nil {
		return query.List[Client]{}, err
	}
	return query.Cut(page, rows, func(c Client) []string { return []string{c.Name, c.ID.String()} }), nil
}

// FindClient finds a client. Errors: NotFound.
func FindClient(ctx context.Context, db query.Postgres, id uuid.UUID, now time.Time) (Client, error) {
	return query.One[Client](ctx, db, "client", listClientsSQL, id, nil, now, nil, 1)
}

// ListApplications lists what programs a person allows something now, by the machine's time. Who has allowed nothing that
// lasts sees nothing here: a consent whose tokens are over is gone.
func ListApplications(ctx context.Context, db query.Postgres, person uuid.UUID, now time.Time) ([]Application, error) {
	return query.All[Application](ctx, db, listApplicationsSQL, person, now)
}
