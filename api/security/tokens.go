package security

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	accesscmd "github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// hintLength is how much of a token stays to be seen: the prefix and four of its 43 random signs.
const hintLength = len(token.API) + 4

// APITokenBody is a token to be made.
type APITokenBody struct {
	Name   string                  `json:"name" maxLength:"200"`
	Scopes []permission.Permission `json:"scopes" maxItems:"64" nullable:"false"`
	Days   int                     `json:"days" minimum:"1" maximum:"366" doc:"How long it works"`
}

// NewAPIToken is a token, this once whole.
type NewAPIToken struct {
	identity.OwnToken
	Secret string `json:"token" doc:"Shown this once"`
}

func (d Desk) tokenOperations(t route.Table) {
	route.Serve(t, operation(http.MethodGet, "/me/tokens", "list-tokens", "One's API tokens", inPerson()), d.tokens)
	route.Serve(t, created(operation(http.MethodPost, "/me/tokens", "create-token", "Make an API token, for the account that is looked at", fresh())), d.createToken)
	route.ServeRaw(t, operation(http.MethodDelete, "/me/tokens/{id}", "revoke-token", "Revoke an API token", inPerson()), d.revokeToken)
	route.Serve(t, operation(http.MethodGet, "/permissions", "list-grantable", "What one can give to a token", inPerson()), d.permissions)
}

func (d Desk) tokens(ctx context.Context, _ *struct{}) (query.List[identity.OwnToken], error) {
	all, err := identity.ListTokens(ctx, d.Postgres, guard.PrincipalOf(ctx).Person)
	return query.List[identity.OwnToken]{Items: all}, err
}

// grantable is what the person may do now, at this session, and a token of the site can do.
func grantable(p *guard.Principal) []permission.Meaning {
	return slices.DeleteFunc(permission.OfTokens(p.IsStaff()), func(m permission.Meaning) bool { return !p.Permissions.Has(m.Permission) })
}

func (d Desk) permissions(ctx context.Context, _ *struct{}) (query.List[permission.Meaning], error) {
	return query.List[permission.Meaning]{Items: grantable(guard.PrincipalOf(ctx))}, nil
}

func (d Desk) createToken(ctx context.Context, in *struct{ Body APITokenBody }) (NewAPIToken, error) {
	p := guard.PrincipalOf(ctx)
	t := token.New(token.API)
	create := accesscmd.CreateToken{TokenID: uuid.New(), Hash: t.Hash(), Hint: t.Reveal()[:hintLength], TokenName: in.Body.Name, PersonID: p.Person, SessionID: p.Session,
		Scopes: in.Body.Scopes, Grantable: []permission.Permission{}, At: d.MachineNow(), Lifetime: time.Duration(in.Body.Days) * 24 * time.Hour}
	for _, m := range grantable(p) {
		create.Grantable = append(create.Grantable, m.Permission)
	}
	if p.Customer != uuid.Nil {
		create.CustomerID = &p.Customer
	}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), create); err != nil {
		return NewAPIToken{}, err
	}
	made, err := identity.FindToken(ctx, d.Postgres, p.Person, create.TokenID)
	return NewAPIToken{OwnToken: made, Secret: t.Reveal()}, err
}

func (d Desk) revokeToken(ctx context.Context, in *struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}) (*done, error) {
	revoke := accesscmd.RevokeToken{TokenID: in.ID, PersonID: guard.PrincipalOf(ctx).Person, At: d.MachineNow()}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), revoke)
	return &done{}, err
}
