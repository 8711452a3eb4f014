// Package oauth decides which programs may act for people, and which people have allowed them to: OAuth clients and
// consents. What a consent comes to in codes and tokens is written here as well, but is no order (store.go): a token is
// exchanged every quarter of an hour, by nobody's decision.
//
// A client belongs to one site and asks for scopes of that site. A grant is one consent and the family of everything that
// was issued for it: it ends whole, when the person takes it back, when a code or a refresh token comes twice, when the
// client is deleted. Codes, tokens and secrets are drawn by the caller, and known here by their hashes alone. Grants live
// by the machine's clock, as sessions do.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
)

// Grants that a client may use (RFC 6749). There is neither the implicit one nor that by password.
const (
	GrantCode    = "authorization_code"
	GrantRefresh = "refresh_token"
	GrantClient  = "client_credentials"
)

// Bounds of a client.
const (
	maxRedirects = 20
	maxScopes    = 50
)

// ClientSettings are what can change of a client.
type ClientSettings struct {
	ClientName   string     `json:"name"`
	RedirectURIs []string   `json:"redirect_uris"`
	Grants       []string   `json:"grants"`
	Scopes       []string   `json:"scopes"`
	CustomerID   *uuid.UUID `json:"customer_id,omitempty"` // the account that it acts for by itself, with client_credentials on the account site
}

// check asks whether the settings are right for a client of a site.
func (s ClientSettings) check(fields *fault.Fields, site string, public bool) {
	check.Text(fields, "name", s.ClientName)
	fields.Check(len(s.RedirectURIs) <= maxRedirects, "redirect_uris", "are more than %d", maxRedirects)
	fields.Check(len(s.RedirectURIs) > 0 || !slices.Contains(s.Grants, GrantCode), "redirect_uris", "name at least one: %s sends its codes there", GrantCode)
	for _, uri := range s.RedirectURIs {
		if wrong := CheckRedirect(uri); wrong != "" {
			fields.Add("redirect_uris", "%q %s", uri, wrong)
		}
	}
	s.checkGrants(fields, public)
	s.checkScopes(fields, site)
	wants := site == siteAccount && slices.Contains(s.Grants, GrantClient)
	fields.Check(wants == (s.CustomerID != nil), "customer_id", "is for clients of the account site with %s, which act for one account", GrantClient)
}

func (s ClientSettings) checkGrants(fields *fault.Fields, public bool) {
	fields.Check(len(s.Grants) > 0 && !repeats(s.Grants), "grants", "name each grant once, and at least one")
	for _, g := range s.Grants {
		fields.Check(slices.Contains([]string{GrantCode, GrantRefresh, GrantClient}, g), "grants", "%q is none of %s, %s and %s", g, GrantCode, GrantRefresh, GrantClient)
	}
	fields.Check(!slices.Contains(s.Grants, GrantRefresh) || slices.Contains(s.Grants, GrantCode), "grants", "%s comes with %s alone", GrantRefresh, GrantCode)
	fields.Check(!slices.Contains(s.Grants, GrantClient) || !public, "grants", "%s needs a secret, which a public client has not", GrantClient)
}

func (s ClientSettings) checkScopes(fields *fault.Fields, site string) {
	known := Scopes(site)
	fields.Check(len(s.Scopes) > 0 && len(s.Scopes) <= maxScopes && !repeats(s.Scopes), "scopes", "name each scope once, and at least one")
	for _, scope := range s.Scopes {
		fields.Check(slices.ContainsFunc(known, func(k Scope) bool { return k.Scope == scope }), "scopes", "%q is no scope of this site", scope)
	}
}

func repeats(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) != len(list)
}

func checkSite(fields *fault.Fields, site string) {
	fields.Check(site == siteAccount || site == siteAdmin, "site", "%q is neither account nor admin", site)
}

func noClient(id uuid.UUID) *fault.Error {
	return fault.New(fault.NotFound, "client_not_found", "there is no client %s", id)
}

const findClient = `select site, secret_hash is null, name, redirect_uris, grants, scopes, customer_id from oauth_client where id = $1 for update`

// client is one that is there, locked.
type client struct {
	site   string
	public bool
	ClientSettings
}

func find(ctx context.Context, tx pgx.Tx, id uuid.UUID) (client, error) {
	var c client
	err := tx.QueryRow(ctx, findClient, id).Scan(&c.site, &c.public, &c.ClientName, &c.RedirectURIs, &c.Grants, &c.Scopes, &c.CustomerID)
	if errors.Is(err, pgx.ErrNoRows) {
		return client{}, noClient(id)
	}
	if err != nil {
		return client{}, fmt.Errorf("find client %s: %w", id, err)
	}
	return c, nil
}

// Client is the answer of orders about clients.
type Client struct {
	ClientID uuid.UUID `json:"client_id"`
}
