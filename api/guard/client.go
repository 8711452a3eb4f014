package guard

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	forwardedFor = "X-Forwarded-For"
	connectingIP = "Cf-Connecting-Ip"
	maxHops      = 32 // proxies on the way that are looked at
)

// clientIP is the address that a request comes from: the connection's own, unless that is a trusted proxy's. Of what
// proxies wrote only that counts which a trusted one can have written: X-Forwarded-For is read from its end, and the
// first address there that is no trusted proxy's is the client's, whatever the client has put before it. Where a tunnel
// sends no such header, CF-Connecting-IP counts; not beside it, for a proxy that is not Cloudflare's passes on whatever a
// client has written there. A header that is no address, or is there twice, counts for nothing.
func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	connected, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer := connected.Addr().Unmap().WithZone("")
	if !isIn(trusted, peer) {
		return peer
	}
	if hops := r.Header.Values(forwardedFor); len(hops) > 0 {
		return lastUntrusted(strings.Split(strings.Join(hops, ","), ","), peer, trusted)
	}
	if values := r.Header.Values(connectingIP); len(values) == 1 {
		if client, ok := parseHop(values[0]); ok {
			return client
		}
	}
	return peer
}

// lastUntrusted goes back along the hops. Where one cannot be read, what told of it is as far as is known.
func lastUntrusted(hops []string, peer netip.Addr, trusted []netip.Prefix) netip.Addr {
	known := peer
	for i, text := range slices.Backward(hops) {
		hop, ok := parseHop(strings.TrimSpace(text))
		if !ok || len(hops)-i > maxHops {
			return known
		}
		if known = hop; !isIn(trusted, hop) {
			return hop
		}
	}
	return known
}

// parseHop reads an address, with or without a port, as proxies write it.
func parseHop(text string) (netip.Addr, bool) {
	hop, err := netip.ParseAddr(text)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		hop = with.Addr()
	}
	hop = hop.Unmap()
	return hop, hop.Zone() == "" && !hop.IsUnspecified() && !hop.IsMulticast()
}

func isIn(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}
