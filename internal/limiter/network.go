package limiter

import "net/netip"

// Sizes of what one party is taken to have: a provider gives a customer up to a /56 (RFC 6177), and who rents a few
// IPv4 addresses gets neighbours.
const (
	networkBits4 = 24
	networkBits6 = 56
)

// NetworkOf is the network that an address is counted in: its /24, or its /56 with IPv6. An IPv4 address in IPv6's
// clothes (RFC 4291, 2.5.5.2) is one of IPv4; a zone is left out. An address that is none gives the zero Prefix: count
// those together. Who has more than one network has more than one bucket; the account's and the global one hold them.
func NetworkOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := networkBits6
	if address.Is4() {
		bits = networkBits4
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
