package packet

// EtherTypes.
const (
	TypeIPv4          = 0x0800
	TypeIPv6          = 0x86dd
	TypeVLAN          = 0x8100
	TypeProvider      = 0x88a8 // IEEE 802.1ad
	TypeMPLS          = 0x8847
	TypeMPLSMulticast = 0x8848

	typeQinQ     = 0x9100 // as before IEEE 802.1ad
	typeEthernet = 0x6558 // transparent Ethernet bridging
)

// Lengths of headers, in bytes. IPv4 may have options behind its own.
const (
	EthernetBytes = 14
	VLANTagBytes  = 4
	IPv4Bytes     = 20
	IPv6Bytes     = 40

	// MaxVLANTags is the most tags that are looked behind.
	MaxVLANTags = 4
)

// LinkHeader gives the type behind Ethernet and its VLAN tags and how long they are; 0 when the bytes end before that.
func LinkHeader(b []byte) (etherType uint16, n int) {
	n = EthernetBytes
	if len(b) < n {
		return 0, 0
	}
	etherType = u16(b[n-2:])
	for range MaxVLANTags {
		if etherType != TypeVLAN && etherType != TypeProvider && etherType != typeQinQ {
			return etherType, n
		}
		n += VLANTagBytes
		if len(b) < n {
			return 0, 0
		}
		etherType = u16(b[n-2:])
	}
	return etherType, n
}
