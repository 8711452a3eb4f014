package oauth

import (
	"slices"

	"github.com/ezscale/platform/internal/permission"
)

// Scopes that are no permissions (OpenID Connect Core 1.0, 5.4 and 11).
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeOffline = "offline_access"
)

// Sites that clients belong to.
const (
	siteAccount = "account"
	siteAdmin   = "admin"
)

// Scope is what a client may ask for, and what it is to the person who is asked.
type Scope struct {
	Scope string `json:"scope"`
	Says  string `json:"says"`
}

// Scopes lists what clients of a site may ask for: what people can do there, who they are, and to go on without them.
func Scopes(site string) []Scope {
	all := []Scope{
		{ScopeOpenID, "Know who you are"},
		{ScopeProfile, "See your name, language and time zone"},
		{ScopeEmail, "See your mail address"},
		{ScopeOffline, "Keep this access while you are away, until you take it back"},
	}
	meanings := permission.OfStaff()
	if site == siteAccount {
		meanings = permission.OfAccount()
	}
	for _, m := range meanings {
		all = append(all, Scope{string(m.Permission), m.Says})
	}
	return all
}

// Described gives scopes their meanings, in the order of Scopes; what is none on the site is left out.
func Described(site string, scopes []string) []Scope {
	return slices.DeleteFunc(Scopes(site), func(s Scope) bool { return !slices.Contains(scopes, s.Scope) })
}

// Permissions is what of scopes is a permission.
func Permissions(scopes []string) []string {
	about := []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopeOffline}
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(about, s) })
}
