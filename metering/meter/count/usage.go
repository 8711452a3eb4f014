package count

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/ezscale/platform/metering/meter/spread"
)

// SlotLength is the finest time that usage is kept in.
const SlotLength = spread.Slot

// Usage is traffic of one service. Bytes and packets are scaled, samples are those that were received.
type Usage struct {
	BytesInL2, BytesOutL2 int64
	BytesInL3, BytesOutL3 int64
	PacketsIn, PacketsOut int64
	SamplesIn, SamplesOut int64
}

// Add adds v.
func (u *Usage) Add(v *Usage) {
	u.BytesInL2 += v.BytesInL2
	u.BytesOutL2 += v.BytesOutL2
	u.BytesInL3 += v.BytesInL3
	u.BytesOutL3 += v.BytesOutL3
	u.PacketsIn += v.PacketsIn
	u.PacketsOut += v.PacketsOut
	u.SamplesIn += v.SamplesIn
	u.SamplesOut += v.SamplesOut
}

// one adds traffic of one direction.
func (u *Usage) one(in bool, l2, l3, packets, samples int64) {
	if in {
		u.BytesInL2, u.BytesInL3, u.PacketsIn, u.SamplesIn = u.BytesInL2+l2, u.BytesInL3+l3, u.PacketsIn+packets, u.SamplesIn+samples
		return
	}
	u.BytesOutL2, u.BytesOutL3, u.PacketsOut, u.SamplesOut = u.BytesOutL2+l2, u.BytesOutL3+l3, u.PacketsOut+packets, u.SamplesOut+samples
}

// Subtract takes v back.
func (u *Usage) Subtract(v *Usage) {
	u.BytesInL2 -= v.BytesInL2
	u.BytesOutL2 -= v.BytesOutL2
	u.BytesInL3 -= v.BytesInL3
	u.BytesOutL3 -= v.BytesOutL3
	u.PacketsIn -= v.PacketsIn
	u.PacketsOut -= v.PacketsOut
	u.SamplesIn -= v.SamplesIn
	u.SamplesOut -= v.SamplesOut
}

// Column is what the cells of one exporter and slot have in common.
type Column struct {
	Exporter int32
	Slot     int64 // slots of SlotLength since 1970
}

const (
	firstIndex = 1 << 10
	golden64   = 0x9e3779b97f4a7c15 // 2^64 / golden ratio: Fibonacci hashing
)

// usageTable finds cells, the usage of one service in one column, by both. Cells lie dense in the order of their making, the
// index holds their numbers plus one and is at most half full. Keys lie beside the cells, which have 64 bytes: with many
// services nearly every sample waits for memory, and so for one line of it and not for two.
type usageTable struct {
	cells   []Usage
	keys    []uint64 // service << 32 | column
	index   []uint32
	shift   uint
	columns []Column
	places  map[Column]uint32
	recent  uint32 // the column asked for last
	sorted  []place
}

// place is where a cell lies, and what it is sorted by.
type place struct {
	key  uint64
	cell uint32
}

func newUsageTable() usageTable {
	return usageTable{index: make([]uint32, firstIndex), shift: 64 - uint(bits.TrailingZeros(firstIndex)), places: map[Column]uint32{}}
}

func (t *usageTable) column(exporter int32, slot int64) uint32 {
	c := Column{exporter, slot}
	if int(t.recent) < len(t.columns) && t.columns[t.recent] == c {
		return t.recent
	}
	n, ok := t.places[c]
	if !ok {
		n = uint32(len(t.columns))
		t.columns = append(t.columns, c)
		t.places[c] = n
	}
	t.recent = n
	return n
}

func (t *usageTable) cell(service int32, column uint32) *Usage {
	key := uint64(uint32(service))<<32 | uint64(column)
	mask := uint64(len(t.index) - 1)
	for i := key * golden64 >> t.shift; ; i = (i + 1) & mask {
		n := t.index[i]
		if n == 0 {
			return t.add(key, i)
		}
		if t.keys[n-1] == key {
			return &t.cells[n-1]
		}
	}
}

func (t *usageTable) add(key, at uint64) *Usage {
	t.cells, t.keys = append(t.cells, Usage{}), append(t.keys, key)
	t.index[at] = uint32(len(t.cells))
	if 2*len(t.cells) > len(t.index) {
		t.grow()
	}
	return &t.cells[len(t.cells)-1]
}

func (t *usageTable) grow() {
	t.index = make([]uint32, 2*len(t.index))
	t.shift--
	mask := uint64(len(t.index) - 1)
	for n, key := range t.keys {
		i := key * golden64 >> t.shift
		for t.index[i] != 0 {
			i = (i + 1) & mask
		}
		t.index[i] = uint32(n + 1)
	}
}

func (t *usageTable) reset() {
	clear(t.index)
	clear(t.places)
	t.cells, t.keys, t.columns = t.cells[:0], t.keys[:0], t.columns[:0]
}

// Sorted calls f for every cell, in the order of the services' ranks, then of slots, then of exporters.
func (t *usageTable) Sorted(rank func(service int32) int32, f func(service int32, column Column, u *Usage)) {
	columns := t.columnRanks()
	t.sorted = t.sorted[:0]
	for i, key := range t.keys {
		t.sorted = append(t.sorted, place{uint64(uint32(rank(int32(key>>32))))<<32 | uint64(columns[uint32(key)]), uint32(i)})
	}
	slices.SortFunc(t.sorted, func(a, b place) int { return cmp.Compare(a.key, b.key) })
	for _, p := range t.sorted {
		key := t.keys[p.cell]
		f(int32(key>>32), t.columns[uint32(key)], &t.cells[p.cell])
	}
}

func (t *usageTable) columnRanks() []uint32 {
	order := make([]uint32, len(t.columns))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := t.columns[a], t.columns[b]
		return cmp.Or(cmp.Compare(x.Slot, y.Slot), cmp.Compare(x.Exporter, y.Exporter))
	})
	ranks := make([]uint32, len(order))
	for rank, column := range order {
		ranks[column] = uint32(rank)
	}
	return ranks
}

// Cells is the number of cells.
func (t *usageTable) Cells() int { return len(t.cells) }

// Each calls f for every cell, in no particular order.
func (t *usageTable) Each(f func(service int32, column Column, u *Usage)) {
	for i := range t.cells {
		f(int32(t.keys[i]>>32), t.columns[uint32(t.keys[i])], &t.cells[i])
	}
}
