package element

import (
	"encoding/binary"
	"math"
	"net/netip"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/netflow"
)

// Values are the values of one record that a meter reads. Of elements that a template has more than once the first
// counts: RFC 7011, 8 puts them in the order in which the packet met them.
type Values struct {
	present    uint64 // bit s: slot s has a value
	n          [slotCount]uint64
	src4, dst4 netip.Addr
	src6, dst6 netip.Addr
}

// Has tells whether the record has a value for a slot.
func (v *Values) Has(s Slot) bool { return v.present&(1<<s) != 0 }

// Value is a slot's value, 0 when it has none.
func (v *Values) Value(s Slot) uint64 {
	if v.Has(s) {
		return v.n[s]
	}
	return 0
}

// Read takes the values that goflow2 found.
func (v *Values) Read(slots []Slot, values []goflow2.DataField) {
	v.present = 0
	for i, s := range slots {
		if s == SlotNone || v.Has(s) {
			continue
		}
		if b, ok := values[i].Value.([]byte); ok && v.set(s, b) {
			v.present |= 1 << s
		}
	}
}

// set keeps a value. Integers may have any length from 1 to 8 (RFC 7011, 6.2); addresses have theirs.
func (v *Values) set(s Slot, b []byte) bool {
	switch s {
	case SlotSrcIPv4:
		return address(&v.src4, b, 4)
	case SlotDstIPv4:
		return address(&v.dst4, b, 4)
	case SlotSrcIPv6:
		return address(&v.src6, b, 16)
	case SlotDstIPv6:
		return address(&v.dst6, b, 16)
	case SlotProbability:
		n, ok := oneIn(b)
		v.n[s] = n
		return ok
	}
	if len(b) == 0 || len(b) > 8 {
		return false
	}
	v.n[s] = number(b)
	return true
}

func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func address(to *netip.Addr, b []byte, length int) bool {
	if len(b) != length {
		return false
	}
	*to, _ = netip.AddrFromSlice(b)
	return true
}

// oneIn reads samplingProbability, a float of 8 or 4 bytes, as one in so many.
func oneIn(b []byte) (uint64, bool) {
	var p float64
	switch len(b) {
	case 8:
		p = math.Float64frombits(binary.BigEndian.Uint64(b))
	case 4:
		p = float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	if !(p > 0 && p <= 1) || 1/p > math.MaxUint32 {
		return 0, false
	}
	return uint64(math.Round(1 / p)), true
}

// Rate reads the sampling rate that a record or an option tells; 0 when it tells none.
func (v *Values) Rate() uint32 {
	var rate uint32
	if interval := v.Value(SlotPacketInterval); v.Has(SlotPacketSpace) {
		rate = ratio(v.n[SlotPacketSpace], interval, 1)
	} else if interval == 1 {
		rate = 1
	}
	if rate == 0 {
		rate = ratio(v.Value(SlotPopulation), v.Value(SlotSize), 0)
	}
	for _, s := range [...]Slot{SlotProbability, SlotSamplerInterval, SlotInterval} {
		if rate == 0 {
			rate = ratio(v.Value(s), 1, 0)
		}
	}
	return rate
}

// ratio is a/b + plus, rounded to the nearest; 0 where that is no rate.
func ratio(a, b, plus uint64) uint32 {
	const most = math.MaxUint32 << 16
	if b == 0 || a > most || b > most {
		return 0
	}
	if n := (a+b/2)/b + plus; n <= math.MaxUint32 {
		return uint32(n)
	}
	return 0
}

// Addresses chooses between the IPv4 and the IPv6 pair: some exporters send both, one of them zero. When both are real
// ipVersion (60) decides, and IPv4 where it is silent. Of a pair that lacks one, the other is unspecified (0.0.0.0 or ::).
// A pair of zeros is no address. IPv4 in IPv6 (::ffff:0:0/96) is unmapped.
func (v *Values) Addresses() (src, dst netip.Addr, ok bool) {
	four, real4 := pair(v.Has(SlotSrcIPv4), v.src4, v.Has(SlotDstIPv4), v.dst4, netip.IPv4Unspecified())
	six, real6 := pair(v.Has(SlotSrcIPv6), v.src6, v.Has(SlotDstIPv6), v.dst6, netip.IPv6Unspecified())
	switch {
	case real6 && (!real4 || v.Value(SlotIPVersion) == 6):
		return six[0].Unmap(), six[1].Unmap(), true
	case real4:
		return four[0], four[1], true
	}
	return netip.Addr{}, netip.Addr{}, false
}

// pair fills in what is missing, and tells whether either is a real address.
func pair(hasSrc bool, src netip.Addr, hasDst bool, dst, unspecified netip.Addr) ([2]netip.Addr, bool) {
	if !hasSrc {
		src = unspecified
	}
	if !hasDst {
		dst = unspecified
	}
	return [2]netip.Addr{src, dst}, src != unspecified || dst != unspecified
}

// Port is the ifIndex of a logical interface, or of the physical one where that is missing; 0 when neither is told.
func (v *Values) Port(logical, physical Slot) uint32 {
	if !v.Has(logical) {
		logical = physical
	}
	n := v.Value(logical)
	if n != uint64(uint32(n)) {
		return 0
	}
	return uint32(n)
}
