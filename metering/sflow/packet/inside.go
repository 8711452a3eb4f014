package packet

import (
	"fmt"
	"strings"
)

// Inside is the set of tunnels that are looked into. The empty set takes every packet for what it is outside.
type Inside uint8

// Tunnels. The operator sets those whose ends are the provider's own: a tunnel of a customer's is the customer's traffic,
// and looking into it would bill whatever addresses the customer writes there.
const (
	VXLAN Inside = 1 << iota // Ethernet in UDP to port 4789 (RFC 7348)
	GRE                      // IPv4, IPv6 or Ethernet in IP protocol 47 (RFC 2784, RFC 2890; NVGRE is RFC 7637)
	MPLS                     // IPv4, IPv6 or Ethernet behind a control word, behind a label stack (RFC 3032, RFC 4385)
)

// ParseInside reads the names of tunnels: vxlan, gre, mpls.
func ParseInside(names []string) (Inside, error) {
	var set Inside
	for _, name := range names {
		one := tunnelNamed(name)
		if one == 0 {
			return 0, fmt.Errorf("packet: no tunnel named %q: use vxlan, gre or mpls", name)
		}
		set |= one
	}
	return set, nil
}

func tunnelNamed(name string) Inside {
	for one := VXLAN; one <= MPLS; one <<= 1 {
		if one.name() == name {
			return one
		}
	}
	return 0
}

// Names lists the set's tunnels as ParseInside reads them.
func (i Inside) Names() []string {
	var names []string
	for one := VXLAN; one <= MPLS; one <<= 1 {
		if i&one != 0 {
			names = append(names, one.name())
		}
	}
	return names
}

// String gives the set's names with commas between them.
func (i Inside) String() string { return strings.Join(i.Names(), ",") }

func (i Inside) name() string {
	switch i {
	case VXLAN:
		return "vxlan"
	case GRE:
		return "gre"
	case MPLS:
		return "mpls"
	default:
		return ""
	}
}

// Hides says whether a packet of which only the protocol and the UDP port are known is the outside of a tunnel of the set.
func (i Inside) Hides(protocol uint8, dstPort uint16) bool {
	return i&GRE != 0 && protocol == protocolGRE || i&VXLAN != 0 && protocol == ProtocolUDP && dstPort == PortVXLAN
}
