package guard

import (
	"context"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// provesItself tells the addresses of api/oauth that ask for a client's proof, in the Authorization header or the body:
// it is read there, and neither a cookie nor a token counts.
func provesItself(path string) bool {
	return path == "/oauth/token" || path == "/oauth/revoke" || path == "/oauth/introspect"
}

// oauth finds whose access token it is, on its site; nil for nobody's.
func (g *Guard) oauth(ctx context.Context, site Site, text string) (*Principal, error) {
	t, err := token.Parse(token.OAuthAccess, text)
	if err != nil || site == NoSite {
		return nil, nil
	}
	found, err := access.FindOAuthToken(ctx, g.door, string(site), access.OAuthAccess, t.Hash())
	if fault.Is(err, fault.NotFound) || err == nil && !found.Works(g.now()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ofOAuth(site, found), nil
}

// ofOAuth is at most what the token says, what its client may have now, and what the person may do now. A client by itself
// is no person.
func ofOAuth(site Site, t access.OAuthToken) *Principal {
	var p *Principal
	if t.PersonID != uuid.Nil {
		p = ofPerson(site, t.Person)
		p.Actor += " by client:" + t.ClientID.String()
	} else {
		p = &Principal{Site: site, Name: t.ClientName, Actor: "client:" + t.ClientID.String(), Permissions: permission.OfRoles([]string{permission.All})}
		if site == SiteAccount {
			p.Permissions = permission.OfRights(permission.Owner)
		}
		if t.CustomerID != nil {
			p.Customer, p.Account = *t.CustomerID, t.CustomerName
		}
	}
	p.Client, p.Scopes, p.oauth = t.ClientID, t.Allowed(), secret.Hash(t.Hash)
	p.Permissions = p.Permissions.And(permissions(p.Scopes))
	return p
}

func permissions(scopes []string) permission.Set {
	list := make([]permission.Permission, len(scopes))
	for i, s := range scopes {
		list[i] = permission.Permission(s)
	}
	return permission.Of(list...)
}
