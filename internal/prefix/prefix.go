// Package prefix answers one question, millions of times a second: who had this address at that time?
//
// A Table is built whole and never changes; readers on any number of goroutines share it without locks, and a
// new one is swapped in when assignments change. The longest prefix wins among those that were valid at the
// time asked for: where a longer prefix has no owner then, the shorter one around it answers.
//
// Most services have single IPv4 addresses, and a trie of 200,000 of them costs a handful of cache misses a
// lookup. So the newest interval of each IPv4 /32 is also kept in a hash table with eight bytes for each: one miss. What
// is not there, or was not valid then, is left to the trie.
package prefix

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// None is the owner of an address that nobody has.
const None int32 = -1

// Forever is the end of an assignment that has none.
const Forever int64 = math.MaxInt64

// Assignment says that a prefix had an owner in [From, To), nanoseconds since 1970. Owners are dense indexes
// that the caller gives, 0 and up.
type Assignment struct {
	Prefix   netip.Prefix
	Owner    int32
	From, To int64
}

// span is one interval of a prefix. next is the index of the following, older one, or 0.
type span struct {
	from, to int64
	owner    int32
	next     int32
}

// Table is an immutable set of assignments.
type Table struct {
	trie  bart.Fast[span]
	older []span // chains of older intervals; index 0 is not used
	hosts hosts
	reach reach
}

// New builds a table. It fails when a prefix is not valid, an interval is empty, an owner is negative, or two
// intervals of one prefix overlap.
func New(assignments []Assignment) (*Table, error) {
	sorted := slices.Clone(assignments)
	for i := range sorted {
		if err := sorted[i].normalise(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(sorted, func(a, b Assignment) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), cmp.Compare(a.From, b.From))
	})
	t := &Table{older: make([]span, 1)}
	for i, a := range sorted {
		s := span{from: a.From, to: a.To, owner: a.Owner}
		if i > 0 && sorted[i-1].Prefix == a.Prefix {
			if sorted[i-1].To > a.From {
				return nil, fmt.Errorf("prefix %s has two owners at once", a.Prefix)
			}
			newest, _ := t.trie.Get(a.Prefix)
			s.next = int32(len(t.older))
			t.older = append(t.older, newest)
		}
		t.trie.Insert(a.Prefix, s)
		t.reach.add(a.Prefix)
	}
	t.hosts = newHosts(&t.trie)
	return t, nil
}

func (a *Assignment) normalise() error {
	switch {
	case !a.Prefix.IsValid():
		return fmt.Errorf("assignment of owner %d has no valid prefix", a.Owner)
	case a.Owner < 0:
		return fmt.Errorf("prefix %s has no valid owner", a.Prefix)
	case a.From >= a.To:
		return fmt.Errorf("prefix %s has an empty interval", a.Prefix)
	}
	addr, bits := a.Prefix.Addr(), a.Prefix.Bits()
	if addr.Is4In6() && bits >= 96 {
		addr, bits = addr.Unmap(), bits-96
	}
	a.Prefix = netip.PrefixFrom(addr, bits).Masked()
	return nil
}

// Size is the number of different prefixes.
func (t *Table) Size() int { return t.trie.Size() }

// Owner is who had addr at the time at (nanoseconds since 1970), or None. IPv4 addresses in IPv6 clothes must
// be unmapped by the caller.
func (t *Table) Owner(addr netip.Addr, at int64) int32 {
	if addr.Is4() {
		k := key(addr)
		if !t.reach.has(k) {
			return None
		}
		if owner := t.hosts.find(k, at); owner != None {
			return owner
		}
	}
	s, ok := t.trie.Lookup(addr)
	if !ok {
		return None
	}
	if at >= s.from && at < s.to {
		return s.owner
	}
	return t.search(addr, at)
}

// search goes from the longest prefix to the shortest, each with all of its intervals.
func (t *Table) search(addr netip.Addr, at int64) int32 {
	bits := addr.BitLen()
	for {
		found, s, ok := t.trie.LookupPrefixLPM(netip.PrefixFrom(addr, bits))
		if !ok {
			return None
		}
		if owner := t.at(s, at); owner != None {
			return owner
		}
		if bits = found.Bits() - 1; bits < 0 {
			return None
		}
	}
}

func (t *Table) at(s span, at int64) int32 {
	for {
		if at >= s.from && at < s.to {
			return s.owner
		}
		if s.next == 0 {
			return None
		}
		s = t.older[s.next]
	}
}
