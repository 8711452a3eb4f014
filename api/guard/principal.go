package guard

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/access"
)

// What somebody has proved their identity with.
const (
	FactorPassword     = "password"
	FactorPasskey      = "passkey" // with the device's own check of the person: two factors at once
	FactorTOTP         = "totp"
	FactorRecoveryCode = "recovery_code"
	FactorDevelopment  = "development" // nothing: the login of a development machine
)

// Why somebody who is signed in may do nothing yet.
const (
	NeedsSecondFactor = "second_factor_required" // staff without one
	NeedsAccount      = "no_account"             // a person who is in no account, or has chosen none
)

func restriction(why string) string {
	if why == NeedsAccount {
		return "choose an account first: you are not, or no longer, in this one"
	}
	return "staff need a second factor: set one up, or sign in with it"
}

// Principal is who a request comes from.
type Principal struct {
	Site           Site
	Person         uuid.UUID // nil UUID: the operator's token
	Customer       uuid.UUID // the account that is looked at, of the account site
	Account        string    // its name
	Rights         string    // in that account
	Name           string
	Email          string
	Actor          string // as the audit log has it
	Permissions    permission.Set
	Restricted     string      // why there are no permissions; empty: nothing is in the way
	Session        uuid.UUID   // nil UUID: a token
	Token          uuid.UUID   // nil UUID: a session, or the operator's token
	SessionHash    secret.Hash // as the database has it now: who changes it says what it was
	Factors        []string
	ProvedAt       time.Time // of the session
	ExpiresAt      time.Time
	SecondFactor   bool        // the person has one, used or not
	Impersonator   *uuid.UUID  // staff who look at the account as the person
	ImpersonatedBy string      // their name
	Reason         string      // why they do
	Client         uuid.UUID   // the OAuth client that acts, for the person or by itself; nil UUID: none
	Scopes         []string    // of its token, as far as the client still has them
	oauth          secret.Hash // of that token
}

// IsStaff tells staff from customers.
func (p *Principal) IsStaff() bool { return p.Site == SiteAdmin }

// InPerson tells a person with a session from a program with a token.
func (p *Principal) InPerson() bool { return p.Session != uuid.Nil }

// MayKnow tells whether whoever asks may be told of the person what a scope of OpenID tells: an application has to have it.
func (p *Principal) MayKnow(scope string) bool {
	return p.Client == uuid.Nil || slices.Contains(p.Scopes, scope)
}

// TwoFactors tells whether the session was opened with more than a password.
func (p *Principal) TwoFactors() bool { return twoFactors(p.Factors) }

// IsFresh tells whether the person proved who they are a few minutes ago at most, by the second factor too if they have one.
func (p *Principal) IsFresh(now time.Time) bool {
	return p.InPerson() && now.Sub(p.ProvedAt) <= freshFor && (!p.SecondFactor || p.TwoFactors())
}

// Scope is what the principal may see.
func (p *Principal) Scope() query.Scope {
	if p.IsStaff() {
		return query.Staff()
	}
	return query.Customer(p.Customer).As(p.Person)
}

// operator is who has the token of the configuration: whoever runs the machine.
func operator() *Principal {
	return &Principal{Site: SiteAdmin, Name: "operator", Actor: "staff:token", Permissions: permission.OfRoles([]string{permission.All})}
}

// ofPerson is what a session and a token have in common.
func ofPerson(site Site, person access.Person) *Principal {
	p := &Principal{Site: site, Person: person.PersonID, Name: person.Name, Email: person.Email, SecondFactor: person.TOTP || person.Passkeys > 0}
	if site == SiteAdmin {
		p.Actor, p.Permissions = "staff:"+person.PersonID.String(), permission.OfRoles(person.Granted)
		return p
	}
	p.Actor, p.Permissions = "person:"+person.PersonID.String(), permission.OfRights(person.Rights)
	if person.CustomerID == nil {
		p.Restricted = NeedsAccount
	} else {
		p.Customer, p.Account, p.Rights = *person.CustomerID, person.CustomerName, person.Rights
	}
	return p
}

func ofSession(site Site, s access.Session) *Principal {
	p := ofPerson(site, s.Person)
	p.Session, p.Factors, p.ProvedAt, p.ExpiresAt = s.ID, s.Factors, s.ProvedAt, s.ExpiresAt
	if site == SiteAdmin && !twoFactors(s.Factors) {
		p.Permissions, p.Restricted = permission.Set{}, NeedsSecondFactor
	}
	if s.Impersonator != nil {
		p.Impersonator, p.ImpersonatedBy, p.Reason = s.Impersonator, s.ImpersonatorName, s.Reason
		p.Actor = "staff:" + s.Impersonator.String() + " as " + p.Actor
		if !s.Widened {
			p.Permissions = p.Permissions.Reading()
		}
	}
	return p
}

// twoFactors tells whether a session was opened with more than a password.
func twoFactors(factors []string) bool {
	return slices.ContainsFunc(factors, func(f string) bool { return f != FactorPassword })
}

// ofToken is at most what its owner may do now. The second factor that staff need, its owner had to show when making it.
func ofToken(site Site, t access.Token) *Principal {
	p := ofPerson(site, t.Person)
	p.Token, p.Permissions = t.ID, p.Permissions.And(permissions(t.Scopes))
	p.Actor += " by token:" + t.ID.String()
	return p
}

type contextKey int

const (
	principalKey contextKey = iota
	requestKey
)

// PrincipalOf is who asks, nil for nobody.
func PrincipalOf(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey).(*Principal)
	return p
}

// ScopeOf is the zero scope, which sees nothing, when nobody is signed in.
func ScopeOf(ctx context.Context) query.Scope {
	if p := PrincipalOf(ctx); p != nil {
		return p.Scope()
	}
	return query.Scope{}
}

// ActorOf is who asks, as the audit log has it.
func ActorOf(ctx context.Context) string {
	if p := PrincipalOf(ctx); p != nil {
		return p.Actor
	}
	return "nobody"
}
