package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ezscale/platform/api/problem"
)

// Site is one of the platform's sites. They share a binary and a port and nothing else: a cookie, a token or an origin of
// one is worth nothing on the other.
type Site string

// The sites.
const (
	NoSite      Site = ""        // asked for by another name: machines, and the command line
	SiteAccount Site = "account" // customers
	SiteAdmin   Site = "admin"   // staff
)

// Sites says by which name each site is reached: its scheme, host and port, without a path.
type Sites struct{ Account, Admin *url.URL }

// ParseSites reads two addresses. Both need a host of their own.
func ParseSites(account, admin string) (Sites, error) {
	a, err := parseOrigin(account)
	if err != nil {
		return Sites{}, fmt.Errorf("address of the account site: %w", err)
	}
	b, err := parseOrigin(admin)
	if err != nil {
		return Sites{}, fmt.Errorf("address of the admin site: %w", err)
	}
	if a.Hostname() == b.Hostname() {
		return Sites{}, fmt.Errorf("the account site and the admin site are both at %s: each needs a name of its own", a.Hostname())
	}
	return Sites{Account: a, Admin: b}, nil
}

func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want a scheme, a host and perhaps a port, such as https://account.example.com")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil, errors.New("a site is reached by a name, not by an address: passkeys and cookies belong to names")
	}
	u.Path = ""
	return u, nil
}

// of finds the site of a request's host. The port is not compared: cookies do not know it either, and a proxy may change it.
func (s Sites) of(host string) Site {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	switch {
	case s.Account != nil && name == s.Account.Hostname():
		return SiteAccount
	case s.Admin != nil && name == s.Admin.Hostname():
		return SiteAdmin
	}
	return NoSite
}

// URL is where people reach a site.
func (s Sites) URL(site Site) *url.URL {
	if site == SiteAdmin {
		return s.Admin
	}
	return s.Account
}

// SiteOf is the site that the request of ctx was sent to.
func SiteOf(ctx context.Context) Site { return requestOf(ctx).site }

// NeedSite gives the site that the request of ctx was sent to, if it is one of these, or the problem that refuses what is
// done there alone. Without any, both will do.
func NeedSite(ctx context.Context, those ...Site) (Site, error) {
	if len(those) == 0 {
		those = []Site{SiteAccount, SiteAdmin}
	}
	site := SiteOf(ctx)
	if slices.Contains(those, site) {
		return site, nil
	}
	names := make([]string, len(those))
	for i, s := range those {
		names[i] = "the " + string(s) + " site"
	}
	return site, problem.New(ctx, http.StatusForbidden, "wrong_site", "this is done on "+strings.Join(names, " or ")+", by its name")
}

// CookieName is the cookie of sessions. With this prefix browsers take it only over a secure channel, for this host and
// no other (RFC 6265bis).
const CookieName = "__Host-session"

// Cookie holds a session's token, or with an empty one ends it. It goes with the browser's session: how long it is worth
// something is decided by the server. Staff's comes with no request that another site's page has begun.
func Cookie(site Site, token string) http.Cookie {
	c := http.Cookie{Name: CookieName, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if site == SiteAdmin {
		c.SameSite = http.SameSiteStrictMode
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// guide sends people who ask for a page by another name to the account site. Programs may ask by any name, but then have
// to bring a token: cookies belong to the sites.
func (g *Guard) guide(c *gin.Context) {
	r := requestOf(c.Request.Context())
	if r.site != NoSite || IsAPI(c.Request.URL.Path) {
		return
	}
	target := *g.sites.Account
	if r.local && g.development { // the port is what this machine was told, not what was free when the name was configured
		if _, port, err := net.SplitHostPort(c.Request.Host); err == nil {
			target.Host = net.JoinHostPort(target.Hostname(), port)
		}
	}
	target.Path, target.RawQuery = c.Request.URL.Path, c.Request.URL.RawQuery
	c.Redirect(http.StatusTemporaryRedirect, target.String())
	c.Abort()
}

// IsAPI tells paths whose answers are for programs: they get problems, not pages.
func IsAPI(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/health/") || path == "/openapi.json" || path == "/metrics" ||
		strings.HasPrefix(path, "/oauth/") || path == "/.well-known/openid-configuration"
}
