package cloudflare_test

import (
	"net/http"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/gateway/cloudflare"
)

func TestTrustedClientIP(t *testing.T) {
	t.Parallel()
	tunnels := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64"), {}}
	for name, c := range map[string]struct {
		peer   string
		header []string
		want   string
	}{
		"through the tunnel":        {"127.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		"IPv6 through the tunnel":   {"127.0.0.1", []string{"2001:db8::9"}, "2001:db8::9"},
		"through a network":         {"10.1.255.255", []string{"203.0.113.9"}, "203.0.113.9"},
		"through IPv6":              {"fd00:1::7", []string{"203.0.113.9"}, "203.0.113.9"},
		"tunnel as mapped IPv6":     {"::ffff:10.1.2.3", []string{"203.0.113.9"}, "203.0.113.9"},
		"tunnel with a zone":        {"fd00:1::7%eth0", []string{"203.0.113.9"}, "203.0.113.9"},
		"client as mapped IPv6":     {"127.0.0.1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"straight, with a spoof":    {"198.51.100.1", []string{"203.0.113.9"}, "198.51.100.1"},
		"straight, spoofing loop":   {"198.51.100.1", []string{"127.0.0.1"}, "198.51.100.1"},
		"beside the network":        {"10.2.0.1", []string{"203.0.113.9"}, "10.2.0.1"},
		"straight, mapped":          {"::ffff:198.51.100.1", nil, "198.51.100.1"},
		"no header":                 {"127.0.0.1", nil, "127.0.0.1"},
		"empty header":              {"127.0.0.1", []string{""}, "127.0.0.1"},
		"header twice":              {"127.0.0.1", []string{"203.0.113.9", "203.0.113.10"}, "127.0.0.1"},
		"list in a header":          {"127.0.0.1", []string{"203.0.113.9, 203.0.113.10"}, "127.0.0.1"},
		"port in the header":        {"127.0.0.1", []string{"203.0.113.9:443"}, "127.0.0.1"},
		"zone in the header":        {"127.0.0.1", []string{"fe80::1%eth0"}, "127.0.0.1"},
		"octal":                     {"127.0.0.1", []string{"0313.0.113.9"}, "127.0.0.1"},
		"a name":                    {"127.0.0.1", []string{"localhost"}, "127.0.0.1"},
		"unspecified":               {"127.0.0.1", []string{"0.0.0.0"}, "127.0.0.1"},
		"unspecified, mapped":       {"127.0.0.1", []string{"::ffff:0.0.0.0"}, "127.0.0.1"},
		"multicast":                 {"127.0.0.1", []string{"ff02::1"}, "127.0.0.1"},
		"multicast, mapped":         {"127.0.0.1", []string{"::ffff:224.0.0.1"}, "127.0.0.1"},
		"spaces around the address": {"127.0.0.1", []string{" 203.0.113.9"}, "127.0.0.1"},
	} {
		header := http.Header{cloudflare.ConnectingIP: c.header}
		if got := cloudflare.TrustedClientIP(header, netip.MustParseAddr(c.peer), tunnels); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	if got := cloudflare.TrustedClientIP(http.Header{cloudflare.ConnectingIP: {"203.0.113.9"}}, netip.Addr{}, tunnels); got.IsValid() {
		t.Errorf("a connection of no address got %s", got)
	}
	if http.CanonicalHeaderKey(cloudflare.ConnectingIP) != cloudflare.ConnectingIP || http.CanonicalHeaderKey(cloudflare.Header) != cloudflare.Header {
		t.Error("a header's name is not in the form that net/http looks up")
	}
}

// Without a tunnel the header changes nothing, whatever it is.
func TestHeaderAloneIsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		peer := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "peer")))
		header := http.Header{cloudflare.ConnectingIP: rapid.SliceOf(rapid.String()).Draw(t, "header")}
		tunnel := netip.PrefixFrom(peer.Next(), 32)
		if got := cloudflare.TrustedClientIP(header, peer, []netip.Prefix{tunnel}); got != peer {
			t.Fatalf("got %s, want %s", got, peer)
		}
	})
}
