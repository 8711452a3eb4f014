// Package identity answers who the customers are. Personal data is read here and nowhere else but on invoices,
// which hold what was true when they were finalised.
package identity

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Customer is a person or company that owns services.
type Customer struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Version   int64     `json:"version" doc:"Give it as If-Match to change only what you have seen"`
}

//go:embed list_customers.sql
var listCustomersSQL string

//go:embed find_customer.sql
var findCustomerSQL string

// ListCustomers lists customers by mail address. Search, when not empty, keeps those whose address or name holds it.
func ListCustomers(ctx context.Context, db query.Postgres, scope query.Scope, search string, page query.Page) (query.List[Customer], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[Customer]{}, err
	}
	rows, err := query.All[Customer](ctx, db, listCustomersSQL, scope.Owner(), search, after, page.Rows())
	if err != nil {
		return query.List[Customer]{}, err
	}
	return query.Cut(page, rows, func(c Customer) []string { return []string{c.Email} }), nil
}

// FindCustomer finds a customer by id or mail address. Errors: NotFound.
func FindCustomer(ctx context.Context, db query.Postgres, scope query.Scope, reference string) (Customer, error) {
	return query.One[Customer](ctx, db, "customer", findCustomerSQL, scope.Owner(), reference)
}
