package prefix

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"

	"github.com/gaissmai/bart"
)

// hosts is an open-addressing hash table of the newest interval of each IPv4 /32, at most half full. Almost always the
// answer is the owner until further notice, so the owners of such intervals stand beside the addresses, in eight bytes
// that the cache has room for. The intervals themselves are looked at only for times before the newest of them began.
type hosts struct {
	index   []entry
	cells   []host // beside index
	settled int64  // every interval that goes on for ever has begun by then
	shift   uint8
}

// entry is a place of the index. owner is the owner's number plus one when its interval goes on for ever, less than zero
// when only the cell knows, and 0 when the place is empty.
type entry struct {
	addr  uint32
	owner int32
}

const inCell = -1

// host is a cell.
type host struct {
	from, to int64
	owner    int32
}

func newHosts(trie *bart.Fast[span]) hosts {
	count := 0
	for p := range trie.All4() {
		if p.Bits() == 32 {
			count++
		}
	}
	if count == 0 {
		return hosts{}
	}
	width := bits.Len(uint(2*count - 1))
	h := hosts{index: make([]entry, 1<<width), cells: make([]host, 1<<width), shift: uint8(32 - width)}
	for p, s := range trie.All4() {
		if p.Bits() == 32 {
			h.insert(key(p.Addr()), host{from: s.from, to: s.to, owner: s.owner})
		}
	}
	return h
}

func (h *hosts) insert(addr uint32, c host) {
	mask := uint32(len(h.index) - 1)
	i := h.hash(addr)
	for h.index[i].owner != 0 {
		i = (i + 1) & mask
	}
	h.cells[i], h.index[i] = c, entry{addr, inCell}
	if c.to == Forever && c.owner < math.MaxInt32 {
		h.index[i].owner = c.owner + 1
		h.settled = max(h.settled, c.from)
	}
}

// find is the owner of an address at a time, or None when the trie must be asked.
func (h *hosts) find(k uint32, at int64) int32 {
	if len(h.index) == 0 {
		return None
	}
	mask := uint32(len(h.index) - 1)
	for i := h.hash(k); ; i = (i + 1) & mask {
		e := h.index[i]
		if e.owner == 0 {
			return None
		}
		if e.addr == k {
			return h.owner(i, e, at)
		}
	}
}

func (h *hosts) owner(i uint32, e entry, at int64) int32 {
	if e.owner > 0 && at >= h.settled && at < Forever {
		return e.owner - 1
	}
	if c := &h.cells[i]; at >= c.from && at < c.to {
		return c.owner
	}
	return None
}

// hash is Fibonacci hashing: the high bits of a product with 2^32 / golden ratio.
func (h *hosts) hash(k uint32) uint32 { return k * 2654435769 >> h.shift }

func key(addr netip.Addr) uint32 {
	b := addr.As4()
	return binary.BigEndian.Uint32(b[:])
}
