// Package proofs holds the tools by which somebody proves who they are, as one value: what counts attempts, what remembers
// what was begun, what hashes, what seals, and a relying party of passkeys for each site. The handlers of login and of
// one's own security share them.
package proofs

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/internal/password"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/vault"
)

// Tools are what proofs need. All but the relying parties are shared by the sites.
type Tools struct {
	Limiter *limiter.Limiter
	Begun   *ephemeral.Store
	Vault   *vault.Vault
	Hasher  *password.Hasher
	Policy  *password.Policy
	brand   string
	account *passkey.RelyingParty
	admin   *passkey.RelyingParty
}

// WithSites gives the tools a relying party for each site. A passkey of one is none on the other.
func (t Tools) WithSites(sites guard.Sites, brand string, now func() time.Time) (Tools, error) {
	var err error
	t.brand = brand
	if t.account, err = relyingParty(sites.Account, t.Issuer(guard.SiteAccount), now); err != nil {
		return t, fmt.Errorf("passkeys of the account site: %w", err)
	}
	if t.admin, err = relyingParty(sites.Admin, t.Issuer(guard.SiteAdmin), now); err != nil {
		return t, fmt.Errorf("passkeys of the admin site: %w", err)
	}
	return t, nil
}

// CheckPassword says, at the field password, why a new one is not good enough. About are name, mail address and the like.
func (t Tools) CheckPassword(text secret.Text, about ...string) error {
	err := t.Policy.Check(text, about...)
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid || len(f.Fields) > 0 {
		return err
	}
	at := *f
	at.Fields = []fault.Field{{Name: "password", Message: f.Message}}
	return &at
}

func relyingParty(site *url.URL, name string, now func() time.Time) (*passkey.RelyingParty, error) {
	return passkey.New(passkey.Config{RPID: site.Hostname(), RPName: name, Origins: []string{site.Scheme + "://" + site.Host}, Now: now})
}

// Passkeys is the relying party of a site.
func (t Tools) Passkeys(site guard.Site) *passkey.RelyingParty {
	if site == guard.SiteAdmin {
		return t.admin
	}
	return t.account
}

// Issuer is what authenticators call a site.
func (t Tools) Issuer(site guard.Site) string {
	if site == guard.SiteAdmin {
		return t.brand + " staff"
	}
	return t.brand
}

// Seeds is where authenticators' seeds are sealed; a row is a person's id.
func Seeds() vault.Column { return vault.Column{Table: "totp", Name: "seed", Key: "person_id"} }

// TaxIDs is where accounts' tax ids are sealed; a row is a customer's id.
func TaxIDs() vault.Column { return vault.Column{Table: "customer", Name: "tax_id", Key: "id"} }
