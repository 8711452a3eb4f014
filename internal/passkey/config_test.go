package passkey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/passkey"
)

func TestNewTakes(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"account.example.com":   {"https://account.example.com"},
		"admin.example.co.uk":   {"https://admin.example.co.uk", "https://admin.example.co.uk:8443"},
		"account.example":       {"https://account.example"}, // a suffix nobody has listed
		"account.corp.internal": {"https://account.corp.internal"},
		"localhost":             {"http://localhost:8080", "http://localhost", "https://localhost"},
		"account.localhost":     {"http://account.localhost:8080", "http://account.localhost:5173"},
		"xn--mnchen-3ya.a.com":  {"https://xn--mnchen-3ya.a.com"},
	}
	for id, origins := range cases {
		if _, err := passkey.New(passkey.Config{RPID: id, RPName: "Example", Origins: origins, Now: time.Now}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const id = "account.example.com"
	cases := map[string]struct {
		id      string
		origins []string
		want    string
	}{
		"no ID":                     {"", []string{"https://account.example.com"}, "no host"},
		"IPv4":                      {"127.0.0.1", []string{"https://127.0.0.1"}, "no host"},
		"IPv6":                      {"[::1]", []string{"https://[::1]"}, "no host"},
		"IPv6 bare":                 {"::1", []string{"https://[::1]"}, "no host"},
		"a number":                  {"2130706433", []string{"https://2130706433"}, "no host"},
		"a port":                    {"account.example.com:443", []string{"https://account.example.com"}, "no host"},
		"a scheme":                  {"https://account.example.com", []string{"https://account.example.com"}, "no host"},
		"a path":                    {"account.example.com/a", []string{"https://account.example.com"}, "no host"},
		"a dot at the end":          {"account.example.com.", []string{"https://account.example.com."}, "no host"},
		"one word":                  {"intranet", []string{"https://intranet"}, "no host"},
		"not ASCII":                 {"münchen.example.com", []string{"https://münchen.example.com"}, "no host"},
		"upper case":                {"Account.example.com", []string{"https://Account.example.com"}, "lower case"},
		"a parent domain":           {"example.com", []string{"https://account.example.com"}, "whole domain"},
		"a domain of its own":       {"example.com", []string{"https://example.com"}, "whole domain"},
		"a domain below two labels": {"example.co.uk", []string{"https://example.co.uk"}, "whole domain"},
		"a public suffix":           {"co.uk", []string{"https://co.uk"}, "whole domain"},
		"a customer's suffix":       {"github.io", []string{"https://github.io"}, "whole domain"},
		"a top level":               {"com", []string{"https://com"}, "no host"},
		"a parent, not listed":      {"corp.internal", []string{"https://account.corp.internal"}, "host is not the RP ID"},
		"no origin":                 {id, nil, "0 origins"},
		"too many":                  {id, make([]string, 9), "9 origins"},
		"an empty origin":           {id, []string{""}, "host is not the RP ID"},
		"another host":              {id, []string{"https://admin.example.com"}, "host is not the RP ID"},
		"a host below":              {id, []string{"https://evil.account.example.com"}, "host is not the RP ID"},
		"a host that ends in it":    {id, []string{"https://evilaccount.example.com"}, "host is not the RP ID"},
		"a host it begins":          {id, []string{"https://account.example.com.evil.com"}, "host is not the RP ID"},
		"http":                      {id, []string{"http://account.example.com"}, "not https"},
		"http on what ends alike":   {"notlocalhost.example.com", []string{"http://notlocalhost.example.com"}, "not https"},
		"another scheme":            {id, []string{"ftp://account.example.com"}, "not https"},
		"a default port":            {id, []string{"https://account.example.com:443"}, "port"},
		"port zero":                 {id, []string{"https://account.example.com:0"}, "port"},
		"a port with zeros":         {id, []string{"https://account.example.com:08443"}, "port"},
		"a port too large":          {id, []string{"https://account.example.com:65536"}, "port"},
		"an empty port":             {id, []string{"https://account.example.com:"}, "browsers write it"},
		"a slash":                   {id, []string{"https://account.example.com/"}, "browsers write it"},
		"a path in the origin":      {id, []string{"https://account.example.com/a"}, "browsers write it"},
		"a query":                   {id, []string{"https://account.example.com?a"}, "browsers write it"},
		"a fragment":                {id, []string{"https://account.example.com#a"}, "browsers write it"},
		"a user":                    {id, []string{"https://a@account.example.com"}, "browsers write it"},
		"upper case in the origin":  {id, []string{"HTTPS://account.example.com"}, "browsers write it"},
		"upper case in the host":    {id, []string{"https://Account.example.com"}, "host is not the RP ID"},
		"twice":                     {id, []string{"https://account.example.com", "https://account.example.com"}, "twice"},
		"no URL":                    {id, []string{"https://account.example.com\x00"}, "not a URL"},
		"one wrong among right":     {id, []string{"https://account.example.com", "https://admin.example.com"}, "host is not the RP ID"},
	}
	for name, c := range cases {
		_, err := passkey.New(passkey.Config{RPID: c.id, RPName: "Example", Origins: c.origins, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for name, c := range map[string]passkey.Config{
		"no name":           {RPID: id, Origins: []string{"https://" + id}, Now: time.Now},
		"a name of nothing": {RPID: id, RPName: " \x00\n", Origins: []string{"https://" + id}, Now: time.Now},
		"no clock":          {RPID: id, RPName: "Example", Origins: []string{"https://" + id}},
	} {
		if _, err := passkey.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
