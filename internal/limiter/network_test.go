package limiter_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/limiter"
)

func TestNetworkOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.77":              "203.0.113.0/24",
		"::ffff:203.0.113.77":       "203.0.113.0/24",
		"0.0.0.0":                   "0.0.0.0/24",
		"2001:db8:1:2ff:3:4:5:6":    "2001:db8:1:200::/56",
		"2001:db8:1:300::":          "2001:db8:1:300::/56",
		"fe80::1%eth0":              "fe80::/56",
		"::1":                       "::/56",
		"::ffff:203.0.113.77%never": "203.0.113.0/24",
	} {
		if got := limiter.NetworkOf(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("network of %s: %s, want %s", address, got, want)
		}
	}
	if got := limiter.NetworkOf(netip.Addr{}); got.IsValid() {
		t.Errorf("no address has the network %s", got)
	}
}

func TestNetworkOfAnyAddress(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		address, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "address"))
		network := limiter.NetworkOf(address)
		if !network.Contains(address.Unmap()) || network != network.Masked() || limiter.NetworkOf(network.Addr()) != network {
			t.Fatalf("network of %s: %s", address, network)
		}
	})
}
