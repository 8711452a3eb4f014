package packet

const (
	extensionHopByHop    = 0
	extensionRouting     = 43
	extensionFragment    = 44
	extensionDestination = 60
	extensionLeastBytes  = 8
	maxExtensions        = 8

	// The four by bit.
	extensions = 1<<extensionHopByHop | 1<<extensionRouting | 1<<extensionFragment | 1<<extensionDestination
)

// transport is what an IP packet carries and where.
type transport struct {
	state    transportState
	protocol uint8
	offset   int // from the IP header's first byte, only for transportStart; may lie behind the bytes there are
}

// transportState says how much of what an IP packet carries can be told.
type transportState uint8

const (
	transportNone  transportState = iota // no readable IP header
	transportCut                         // the bytes end among the extension headers
	transportLater                       // a fragment that does not have the start
	transportStart
)

func transportIPv4(b []byte) transport {
	if len(b) < IPv4Bytes || b[0]>>4 != 4 || b[0]&15 < 5 {
		return transport{}
	}
	state := transportStart
	if u16(b[6:])&fragmentOffsets != 0 {
		state = transportLater
	}
	return transport{state, b[9], int(b[0]&15) * 4}
}

func transportIPv6(b []byte) transport {
	if len(b) < IPv6Bytes || b[0]>>4 != 6 {
		return transport{}
	}
	return extended(b[6], b)
}

// IsExtension says whether IPv6's next header is one that another next header follows: one comparison for most others.
func IsExtension(next uint8) bool {
	return next <= extensionDestination && uint64(extensions)>>next&1 != 0
}

// Protocol gives what the IPv6 packet b, at least a header, carries behind its extension headers, as far as the bytes go.
func Protocol(b []byte) uint8 { return extended(b[6], b).protocol }

// extended goes over the extension headers of the IPv6 packet b (RFC 8200), of which next is the first. A packet with more
// than eight keeps the ninth as its protocol.
func extended(next uint8, b []byte) transport {
	t := transport{transportStart, next, IPv6Bytes}
	for range maxExtensions {
		if !IsExtension(t.protocol) {
			return t
		}
		if len(b) < t.offset+extensionLeastBytes {
			t.state = transportCut
			return t
		}
		header := b[t.offset:]
		if t.protocol == extensionFragment {
			t.offset += extensionLeastBytes
			if u16(header[2:])>>3 != 0 {
				return transport{transportLater, header[0], t.offset}
			}
		} else {
			t.offset += extensionLeastBytes + 8*int(header[1])
		}
		t.protocol = header[0]
	}
	return t
}
