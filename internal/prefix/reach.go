package prefix

import "net/netip"

// reach says which of the 65,536 IPv4 networks of 16 bits hold an assignment at all. One end of almost every packet is
// somebody else's: for it this answers out of 8 KiB that stay in the nearest cache, before anything is searched.
type reach [1 << 16 / 64]uint64

// add notes a prefix. IPv6 is not noted.
func (r *reach) add(p netip.Prefix) {
	if !p.Addr().Is4() {
		return
	}
	first, count := key(p.Addr())>>16, uint32(1)
	if p.Bits() < 16 {
		count <<= 16 - p.Bits()
	}
	for n := first; n < first+count; n++ {
		r[n/64] |= 1 << (n % 64)
	}
}

func (r *reach) has(k uint32) bool { return r[k>>22]>>(k>>16&63)&1 == 1 }
