package prefix

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/gaissmai/bart"
)

// hosts is an open-addressing hash table of the newest interval of each IPv4 /32, at most half full.
type hosts struct {
	cells []host
	shift uint8
}

// host is a cell. An empty one has the interval [0, 0), which holds no time.
type host struct {
	from, to int64
	addr     uint32
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
	h := hosts{cells: make([]host, 1<<width), shift: uint8(32 - width)}
	for p, s := range trie.All4() {
		if p.Bits() == 32 {
			h.insert(host{from: s.from, to: s.to, addr: key(p.Addr()), owner: s.owner})
		}
	}
	return h
}

func (h *hosts) insert(c host) {
	mask := uint32(len(h.cells) - 1)
	for i := h.hash(c.addr); ; i = (i + 1) & mask {
		if h.cells[i].empty() {
			h.cells[i] = c
			return
		}
	}
}

// find is the cell of an address, or nil.
func (h *hosts) find(addr netip.Addr) *host {
	if len(h.cells) == 0 {
		return nil
	}
	k, mask := key(addr), uint32(len(h.cells)-1)
	for i := h.hash(k); ; i = (i + 1) & mask {
		c := &h.cells[i]
		if c.addr == k && !c.empty() {
			return c
		}
		if c.empty() {
			return nil
		}
	}
}

func (c *host) empty() bool { return c.from == c.to }

// hash is Fibonacci hashing: the high bits of a product with 2^32 / golden ratio.
func (h *hosts) hash(k uint32) uint32 { return k * 2654435769 >> h.shift }

func key(addr netip.Addr) uint32 {
	b := addr.As4()
	return binary.BigEndian.Uint32(b[:])
}
