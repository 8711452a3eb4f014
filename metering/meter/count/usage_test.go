package count

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Sorted gives every cell once, in the order of ranks, slots and exporters.
func TestSorted(t *testing.T) {
	t.Parallel()
	type cell struct {
		rank int32
		Column
	}
	rapid.Check(t, func(t *rapid.T) {
		ranks := rapid.Permutation([]int32{0, 1, 2, 3, 4}).Draw(t, "ranks")
		table := newUsageTable()
		want := map[cell]int64{}
		for range rapid.IntRange(0, 100).Draw(t, "samples") {
			service := rapid.Int32Range(0, 4).Draw(t, "service")
			c := Column{rapid.Int32Range(0, 3).Draw(t, "exporter"), rapid.Int64Range(0, 5).Draw(t, "slot")}
			table.cell(service, table.column(c.Exporter, c.Slot)).SamplesIn++
			want[cell{ranks[service], c}]++
		}
		var got []cell
		table.Sorted(func(service int32) int32 { return ranks[service] }, func(service int32, c Column, u *Usage) {
			at := cell{ranks[service], c}
			if u.SamplesIn != want[at] {
				t.Fatalf("%+v: %d samples, want %d", at, u.SamplesIn, want[at])
			}
			got = append(got, at)
		})
		if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b cell) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Exporter, b.Exporter))
		}) {
			t.Fatalf("%d of %d cells: %v", len(got), len(want), got)
		}
	})
}
