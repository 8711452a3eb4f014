// Package clients holds what staff do with OAuth clients: register, change, delete them, give them secrets.
package clients

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/api/writes"
	"github.com/ezscale/platform/command"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// ClientSettings are a client's settings, whole.
type ClientSettings struct {
	Name         string     `json:"name" maxLength:"200"`
	RedirectURIs []string   `json:"redirect_uris" nullable:"false" maxItems:"20" doc:"https, or http on 127.0.0.1 or [::1], where any port will do"`
	Grants       []string   `json:"grants" nullable:"false" maxItems:"3" doc:"Of authorization_code, refresh_token, client_credentials"`
	Scopes       []string   `json:"scopes" nullable:"false" maxItems:"50"`
	CustomerID   *uuid.UUID `json:"customer_id,omitempty" format:"uuid" doc:"With client_credentials on the account site: the account that it acts for"`
}

func (b ClientSettings) settings() cmd.ClientSettings {
	return cmd.ClientSettings{ClientName: b.Name, RedirectURIs: b.RedirectURIs, Grants: b.Grants, Scopes: b.Scopes, CustomerID: b.CustomerID}
}

// NewClientBody is a client to be.
type NewClientBody struct {
	ClientSettings
	Site   string `json:"site" enum:"account,admin"`
	Public bool   `json:"public,omitempty" doc:"It runs where no secret can be kept: in a browser, on a phone, on a desk"`
}

// WithSecret is a client and, once, its secret.
type WithSecret struct {
	identity.Client
	Secret string `json:"client_secret,omitempty" doc:"Shown once"`
}

// ClientInput names a client.
type ClientInput struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}

// Desk is what the handlers share.
type Desk struct {
	Commands   *command.DB
	Postgres   query.Postgres
	MachineNow func() time.Time
	Meta       func(context.Context) command.Meta // what surrounds a command of the request
}

// Register registers the operations.
func (d Desk) Register(t route.Table) {
	const tag, at = "clients", "/clients/{id}"
	sees := guard.May(permission.ClientsWrite)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/clients", ID: "list-clients", Tag: tag, Summary: "OAuth clients by name", Access: sees}, d.listClients)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/clients/scopes", ID: "list-scopes", Tag: tag, Summary: "What clients of a site may ask for", Access: sees}, d.listScopes)
	route.Serve(t, route.Operation{Method: http.MethodPost, Path: "/clients", ID: "create-client", Tag: tag, Summary: "Register an OAuth client; its secret is shown once", Access: sees.Fresh(), Status: http.StatusCreated}, d.createClient)
	route.Serve(t, route.Operation{Method: http.MethodPut, Path: at, ID: "change-client", Tag: tag, Summary: "Change an OAuth client's settings, whole", Access: sees.Fresh()}, d.changeClient)
	route.ServeRaw(t, route.Operation{Method: http.MethodDelete, Path: at, ID: "delete-client", Tag: tag, Summary: "Delete an OAuth client; its tokens end", Access: sees.Fresh(), Status: http.StatusNoContent}, d.deleteClient)
	route.Serve(t, route.Operation{Method: http.MethodPost, Path: at + "/secret", ID: "rotate-client-secret", Tag: tag, Summary: "Give an OAuth client another secret; the old one no longer works", Access: sees.Fresh()}, d.rotateSecret)
}

func (d Desk) listClients(ctx context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Items of a page"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the page before"`
}) (query.List[identity.Client], error) {
	return identity.ListClients(ctx, d.Postgres, d.MachineNow(), query.Page{Limit: in.Limit, Cursor: in.Cursor})
}

// ScopeList is scopes with their meanings.
type ScopeList struct {
	Items []cmd.Scope `json:"items" nullable:"false"`
}

func (d Desk) listScopes(_ context.Context, in *struct {
	Site string `query:"site" enum:"account,admin" required:"true" doc:"The client's"`
}) (ScopeList, error) {
	return ScopeList{Items: cmd.Scopes(in.Site)}, nil
}

// by is who orders. All of these want a person.
func by(ctx context.Context) *uuid.UUID {
	id := guard.PrincipalOf(ctx).Person
	return &id
}

func (d Desk) createClient(ctx context.Context, in *struct{ Body NewClientBody }) (WithSecret, error) {
	order := cmd.CreateClient{ClientID: uuid.New(), Site: in.Body.Site, By: by(ctx), ClientSettings: in.Body.settings()}
	drawn := ""
	if !in.Body.Public {
		t := token.New(token.ClientSecret)
		hash := t.Hash()
		order.SecretHash, drawn = &hash, t.Reveal()
	}
	if _, err := command.Run(ctx, d.Commands, d.Meta(ctx), order); err != nil {
		return WithSecret{}, err
	}
	return d.shown(ctx, order.ClientID, drawn)
}

func (d Desk) shown(ctx context.Context, id uuid.UUID, drawn string) (WithSecret, error) {
	found, err := identity.FindClient(ctx, d.Postgres, id, d.MachineNow())
	return WithSecret{Client: found, Secret: drawn}, err
}

// ClientBody is a client as it is to be, and which one it is meant for.
type ClientBody struct {
	ClientSettings
	Version *int64 `json:"version,omitempty" minimum:"0" doc:"That the change is meant for; absent: any"`
}

func (d Desk) changeClient(ctx context.Context, in *struct {
	writes.Write
	ClientInput
	Body ClientBody
}) (WithSecret, error) {
	meta, err := in.Meta(ctx, d.Meta(ctx).Now)
	if err != nil {
		return WithSecret{}, err
	}
	if in.Body.Version != nil {
		meta.ExpectedVersion = in.Body.Version
	}
	if _, err := command.Run(ctx, d.Commands, meta, cmd.ChangeClient{ClientID: in.ID, By: by(ctx), ClientSettings: in.Body.settings()}); err != nil {
		return WithSecret{}, err
	}
	return d.shown(ctx, in.ID, "")
}

func (d Desk) deleteClient(ctx context.Context, in *ClientInput) (*struct{}, error) {
	_, err := command.Run(ctx, d.Commands, d.Meta(ctx), cmd.DeleteClient{ClientID: in.ID})
	return nil, err
}

func (d Desk) rotateSecret(ctx context.Context, in *ClientInput) (WithSecret, error) {
	t := token.New(token.ClientSecret)
	hash := t.Hash()
	if _, err := command.Run(ctx, d.Commands, d.Meta(ctx), cmd.RotateClientSecret{ClientID: in.ID, By: by(ctx), SecretHash: hash}); err != nil {
		return WithSecret{}, err
	}
	return d.shown(ctx, in.ID, t.Reveal())
}
