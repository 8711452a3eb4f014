package access

import (
	"context"
	_ "embed"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// OwnAccount is an account that a person may look at. It is the door that tells: row security shows customers the account
// that they look at, and no other.
type OwnAccount struct {
	CustomerID uuid.UUID `json:"customer_id" format:"uuid"`
	Name       string    `json:"name"`
	Rights     string    `json:"rights" enum:"owner,billing,technical,read_only"`
}

//go:embed list_accounts.sql
var listAccountsSQL string

// ListAccounts lists the accounts of a person by name. Somebody is in few; beyond a thousand the rest is left out.
func ListAccounts(ctx context.Context, db query.Postgres, person uuid.UUID) ([]OwnAccount, error) {
	return query.All[OwnAccount](ctx, db, listAccountsSQL, person)
}
