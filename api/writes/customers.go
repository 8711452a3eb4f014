package writes

import (
	"context"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/query"
	whois "github.com/ezscale/platform/query/identity"
)

// CustomerBody is a new customer.
type CustomerBody struct {
	Email string `json:"email" maxLength:"254"`
	Name  string `json:"name"`
}

// CustomerSettings are what can change of a customer.
type CustomerSettings struct {
	Name string `json:"name"`
}

// RegisterCustomer registers a customer.
func (o Orders) RegisterCustomer(ctx context.Context, in *struct {
	Write
	Body CustomerBody
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	c := identity.RegisterCustomer{CustomerID: meta.NewID(), Email: in.Body.Email, CustomerName: in.Body.Name}
	done, err := command.Run(ctx, o.Commands, meta, c)
	return Reference{ID: done.CustomerID, Name: in.Body.Name}, err
}

// ChangeCustomer changes a customer's name.
func (o Orders) ChangeCustomer(ctx context.Context, in *struct {
	Write
	ID   string `path:"id" maxLength:"254" doc:"Mail address or id"`
	Body CustomerSettings
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	found, err := whois.FindCustomer(ctx, o.Postgres, query.Staff(), in.ID)
	if err != nil {
		return Reference{}, err
	}
	_, err = command.Run(ctx, o.Commands, meta, identity.ChangeCustomer{CustomerID: found.ID, CustomerName: in.Body.Name})
	return Reference{ID: found.ID, Name: in.Body.Name}, err
}
