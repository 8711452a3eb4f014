package guard

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func trustedProxies() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:f::/48")}
}

func TestClientIP(t *testing.T) {
	t.Parallel()
	const visitor, spoofed = "198.51.100.7", "192.0.2.66"
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		cf        []string
		want      string
	}{
		"nobody between":                       {peer: "203.0.113.5:4000", want: "203.0.113.5"},
		"headers from an untrusted peer":       {peer: "203.0.113.5:4000", forwarded: []string{spoofed}, cf: []string{spoofed}, want: "203.0.113.5"},
		"a proxy":                              {peer: "10.0.0.1:4000", forwarded: []string{visitor}, want: visitor},
		"what the client wrote comes first":    {peer: "10.0.0.1:4000", forwarded: []string{spoofed + ", 10.0.0.9, " + visitor}, want: visitor},
		"proxies behind each other":            {peer: "10.0.0.1:4000", forwarded: []string{spoofed + "," + visitor, "10.0.0.2 , 2001:db8:f::1"}, want: visitor},
		"all trusted":                          {peer: "10.0.0.1:4000", forwarded: []string{"10.0.0.3, 10.0.0.2"}, want: "10.0.0.3"},
		"a hop that is none":                   {peer: "10.0.0.1:4000", forwarded: []string{spoofed + ", unknown"}, want: "10.0.0.1"},
		"a hop that is none, behind a proxy":   {peer: "10.0.0.1:4000", forwarded: []string{spoofed + ", unknown, 10.0.0.2"}, want: "10.0.0.2"},
		"an empty header":                      {peer: "10.0.0.1:4000", forwarded: []string{""}, cf: []string{spoofed}, want: "10.0.0.1"},
		"ports":                                {peer: "10.0.0.1:4000", forwarded: []string{visitor + ":999"}, want: visitor},
		"IPv6 with a port":                     {peer: "[2001:db8:f::2]:1", forwarded: []string{"[2001:db8::7]:999"}, want: "2001:db8::7"},
		"a tunnel that no longer sends":        {peer: "127.0.0.1:4000", cf: []string{visitor}, want: visitor},
		"IPv4 in IPv6":                         {peer: "[::ffff:127.0.0.1]:4000", cf: []string{"::ffff:" + visitor}, want: visitor},
		"two of Cloudflare's headers":          {peer: "127.0.0.1:4000", cf: []string{visitor, spoofed}, want: "127.0.0.1"},
		"a zone":                               {peer: "127.0.0.1:4000", cf: []string{"fe80::1%eth0"}, want: "127.0.0.1"},
		"no address":                           {peer: "127.0.0.1:4000", cf: []string{"0.0.0.0"}, want: "127.0.0.1"},
		"a proxy that passes Cloudflare's on":  {peer: "10.0.0.1:4000", forwarded: []string{visitor}, cf: []string{spoofed}, want: visitor},
		"more hops than anybody has":           {peer: "10.0.0.1:4000", forwarded: []string{visitor + strings.Repeat(",10.0.0.2", 40)}, want: "10.0.0.2"},
		"a connection that has no address":     {peer: "@", forwarded: []string{visitor}, want: "invalid IP"},
		"a link's own address loses its zone":  {peer: "[fe80::1%eth0]:4000", want: "fe80::1"},
		"a header of many empty hops is none":  {peer: "10.0.0.1:4000", forwarded: []string{",,,"}, want: "10.0.0.1"},
		"a visitor in front of a trusted hop ": {peer: "10.0.0.1:4000", forwarded: []string{visitor, "127.0.0.1"}, want: visitor},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		for _, v := range c.forwarded {
			r.Header.Add(forwardedFor, v)
		}
		for _, v := range c.cf {
			r.Header.Add(connectingIP, v)
		}
		if got := clientIP(r, trustedProxies()).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Whatever the headers hold, an untrusted peer is itself, and a trusted one's client is an address without a zone.
func FuzzClientIP(f *testing.F) {
	f.Add("192.0.2.1, 10.0.0.2", "198.51.100.1")
	f.Add("[::1]:1,,unknown", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, forwarded, cf string) {
		r := &http.Request{RemoteAddr: "203.0.113.5:1", Header: http.Header{forwardedFor: {forwarded}, connectingIP: {cf}}}
		if got := clientIP(r, trustedProxies()); got != netip.MustParseAddr("203.0.113.5") {
			t.Errorf("an untrusted peer is %s", got)
		}
		for _, header := range []http.Header{r.Header, {connectingIP: {cf}}} {
			r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: header}
			if got := clientIP(r, trustedProxies()); !got.IsValid() || got.Zone() != "" || got.Is4In6() {
				t.Errorf("a trusted proxy's client is %s", got)
			}
		}
	})
}
