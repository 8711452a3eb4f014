package cloudflare

import (
	"net/http"
	"net/netip"
	"slices"
)

// ConnectingIP carries the address of whoever has connected to Cloudflare.
const ConnectingIP = "Cf-Connecting-Ip"

// TrustedClientIP is the address a request comes from. peer is the connection's own address; only when it lies in one of
// the networks that the tunnel or proxy connects from does the header count, since anybody else can write it. A header
// that is missing, there twice or no address counts for nothing either. IPv4 in IPv6 is given as IPv4; a zone, which is
// of a link and not of a host, is taken from peer and not taken in the header.
func TrustedClientIP(header http.Header, peer netip.Addr, tunnels []netip.Prefix) netip.Addr {
	peer = peer.Unmap().WithZone("")
	if !slices.ContainsFunc(tunnels, func(p netip.Prefix) bool { return p.Contains(peer) }) {
		return peer
	}
	values := header.Values(ConnectingIP)
	if len(values) != 1 {
		return peer
	}
	client, err := netip.ParseAddr(values[0])
	client = client.Unmap()
	if err != nil || client.Zone() != "" || client.IsUnspecified() || client.IsMulticast() {
		return peer
	}
	return client
}
