package guard

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query/access"
)

func TestIsLocal(t *testing.T) {
	t.Parallel()
	cases := []struct {
		peer, forwardedBy string
		want              bool
	}{
		{"127.0.0.1:5000", "", true},
		{"[::1]:5000", "", true},
		{"[::ffff:127.0.0.1]:5000", "", true},
		{"192.0.2.1:5000", "", false},
		{"127.0.0.1:5000", "X-Forwarded-For", false},
		{"127.0.0.1:5000", "Forwarded", false},
		{"127.0.0.1:5000", "Via", false},
		{"127.0.0.1:5000", "CF-Connecting-IP", false},
		{"@", "", false},
		{"", "", false},
	}
	twice := &http.Request{RemoteAddr: "127.0.0.1:5000", Header: http.Header{"X-Forwarded-For": {"", "192.0.2.1"}}} // an empty one by the client, then the proxy's
	if isLocal(twice) {
		t.Error("an empty header of the client's hides that of the proxy")
	}
	for _, c := range cases {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwardedBy != "" {
			r.Header.Set(c.forwardedBy, "192.0.2.1")
		}
		if got := isLocal(r); got != c.want {
			t.Errorf("%q forwarded by %q: local %v, want %v", c.peer, c.forwardedBy, got, c.want)
		}
	}
}

func TestIsPlain(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"": false, "short": false, "12345678": true, uuid.NewString(): true, "a_b-c_d-": true,
		"line\nbreak": false, "with blank": false, "größer-als": false,
		strings.Repeat("a", maxRequestID): true, strings.Repeat("a", maxRequestID+1): false,
	} {
		if got := isPlain(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}

func TestUserAgentsAreCut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "curl/8": "curl/8", "a\nb\x00c\x1bd": "abcd", "größer \xff ✓": "größer  ✓",
		strings.Repeat("ö", 200): strings.Repeat("ö", 128), "x" + strings.Repeat("ö", 200): "x" + strings.Repeat("ö", 127),
	} {
		if got := printable(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestSites(t *testing.T) {
	t.Parallel()
	sites, err := ParseSites("https://account.example.com", "https://admin.example.com:8443/")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]Site{
		"account.example.com": SiteAccount, "account.example.com:8080": SiteAccount, "admin.example.com": SiteAdmin,
		"example.com": NoSite, "x.account.example.com": NoSite, "account.example.com.": NoSite, "": NoSite, "127.0.0.1:8080": NoSite,
		"admin.example.com.evil.example": NoSite, "[::1]:80": NoSite,
	} {
		if got := sites.of(host); got != want {
			t.Errorf("%q is %q, want %q", host, got, want)
		}
	}
	for _, c := range [][2]string{
		{"https://a.example", "https://a.example:444"}, {"", "https://b.example"}, {"https://a.example", "b.example"},
		{"https://192.0.2.1", "https://b.example"}, {"https://a.example/x", "https://b.example"}, {"https://u:p@a.example", "https://b.example"},
		{"ftp://a.example", "https://b.example"}, {"https://a.example", "https://b.example?x"},
	} {
		if _, err := ParseSites(c[0], c[1]); err == nil {
			t.Errorf("%q and %q are taken for sites", c[0], c[1])
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	reads := permission.Of(permission.ServicesRead)
	person := Principal{Session: uuid.New(), Permissions: reads, ProvedAt: now.Add(-time.Minute)}
	stale, token, restricted, impersonated := person, person, person, person
	stale.ProvedAt = now.Add(-freshFor - time.Second)
	token.Session = uuid.Nil
	restricted.Restricted = NeedsSecondFactor
	impersonated.Impersonator = &uuid.UUID{}
	weak, strong := person, person
	weak.SecondFactor, weak.Factors = true, []string{FactorPassword}
	strong.SecondFactor, strong.Factors = true, []string{FactorPassword, FactorTOTP}
	for _, c := range []struct {
		access Access
		who    *Principal
		want   string
	}{
		{Access{}, &person, "not_allowed"}, {Access{}, nil, "not_allowed"}, {Access{}.InPerson(), operator(), "not_allowed"},
		{Open(Reading), nil, ""}, {Open(Reading), &person, ""}, {Open(NoClass), nil, "not_allowed"}, {Open("other"), &person, "not_allowed"},
		{Self(), nil, "not_signed_in"}, {Self(), &person, ""}, {Self(), &token, ""}, {Self(), &restricted, ""}, {Self(), operator(), ""},
		{Self().InPerson(), &token, "not_for_tokens"}, {Self().InPerson(), operator(), "not_for_tokens"}, {Self().InPerson(), &impersonated, "not_while_impersonating"},
		{Self().Fresh(), &person, ""}, {Self().Fresh(), &stale, "proof_required"}, {Self().Fresh(), &token, "not_for_tokens"},
		{Self().Fresh(), &weak, "proof_required"}, {Self().Fresh(), &strong, ""}, {Self().InPerson(), &weak, ""},
		{May(permission.ServicesRead), nil, "not_signed_in"}, {May(permission.ServicesRead), &person, ""}, {May(permission.ServicesRead), &impersonated, ""},
		{May(permission.ServicesRead), &restricted, NeedsSecondFactor}, {May(permission.ServicesWrite), &person, "not_allowed"},
		{May(permission.ServicesRead).Fresh(), &stale, "proof_required"}, {May(permission.ServicesWrite).Fresh(), &stale, "not_allowed"},
		{May(""), &person, "not_allowed"}, {May(permission.StaffWrite), operator(), ""}, {May(permission.MembersWrite), operator(), "not_allowed"},
	} {
		got := ""
		if refused := c.access.decide(c.who, now); refused != nil {
			got = refused.code
		}
		if got != c.want {
			t.Errorf("%+v by %+v: %q, want %q", c.access, c.who, got, c.want)
		}
	}
}

func TestOfSession(t *testing.T) {
	t.Parallel()
	customer, staff := uuid.New(), uuid.New()
	person := access.Person{PersonID: uuid.New(), CustomerID: &customer, Rights: permission.Owner, Granted: []string{permission.All}}
	member := ofSession(SiteAccount, access.Session{Person: person, Factors: []string{FactorPassword}})
	if !member.Permissions.Has(permission.MembersWrite) || member.Permissions.Has(permission.StaffWrite) || member.Restricted != "" {
		t.Errorf("a member has %v", member.Permissions.List())
	}
	seen := ofSession(SiteAccount, access.Session{Person: person, Impersonator: &staff})
	if seen.Permissions.Has(permission.MembersWrite) || !seen.Permissions.Has(permission.MembersRead) || seen.Actor != "staff:"+staff.String()+" as person:"+person.PersonID.String() {
		t.Errorf("%s has %v", seen.Actor, seen.Permissions.List())
	}
	weak := ofSession(SiteAdmin, access.Session{Person: person, Factors: []string{FactorPassword}})
	if len(weak.Permissions.List()) != 0 || weak.Restricted != NeedsSecondFactor {
		t.Errorf("staff with a password alone have %v", weak.Permissions.List())
	}
	strong := ofSession(SiteAdmin, access.Session{Person: person, Factors: []string{FactorPassword, FactorTOTP}})
	if !strong.Permissions.Has(permission.StaffWrite) || strong.Permissions.Has(permission.MembersRead) || strong.Customer != uuid.Nil {
		t.Errorf("staff have %v", strong.Permissions.List())
	}
	person.CustomerID = nil
	if nowhere := ofSession(SiteAccount, access.Session{Person: person}); nowhere.Restricted != NeedsAccount {
		t.Errorf("a person in no account is restricted by %q", nowhere.Restricted)
	}
	read := ofToken(SiteAdmin, access.Token{Person: person, Scopes: []string{"audit.read", "members.read", "x"}})
	if got := read.Permissions.List(); len(got) != 1 || got[0] != permission.AuditRead {
		t.Errorf("a token has %v", got)
	}
}

func TestAccessOfToken(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t", 32)
	g, none := New(Config{Token: token}, nil, prometheus.NewRegistry()), New(Config{}, nil, prometheus.NewRegistry())
	for header, want := range map[string]bool{
		"Bearer " + token: true, "bearer " + token: true, "Basic " + token: false, token: false, "Bearer": false,
		"Bearer " + token + "t": false, "Bearer  " + token: false,
	} {
		who, err := g.bearer(t.Context(), header)
		if err != nil || (who != nil) != want {
			t.Errorf("%q: %v, %v, want %v", header, who, err, want)
		}
		if who, _ := g.bearer(context.WithValue(t.Context(), requestKey, request{site: SiteAccount}), header); who != nil {
			t.Errorf("%q is good on the account site", header)
		}
	}
	if who, _ := none.bearer(t.Context(), "Bearer "); who != nil {
		t.Error("without a token the empty one is none")
	}
}
