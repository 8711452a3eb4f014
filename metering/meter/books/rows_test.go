package books

import (
	"bytes"
	"cmp"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/meter/count"
)

// Whatever waits beside a flush's cycles, each cycle has one row with all that belongs to it, in the order of services.
func TestMergeSumsByCycle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := map[CycleKey]int64{}
		tables := [2]Table[CycleKey]{}
		for i := range tables {
			for range rapid.IntRange(0, 20).Draw(t, "rows") {
				n := rapid.ByteRange(0, 9).Draw(t, "cycle")
				key := CycleKey{Service: uuid.UUID{n % 3}, Cycle: uuid.UUID{9 - n}}
				bytes := rapid.Int64Range(0, 1<<40).Draw(t, "bytes")
				tables[i].Add(key, &count.Usage{BytesInL2: bytes})
				want[key] += bytes
			}
		}
		merged := Merge(&tables[0], &tables[1])
		for i, key := range merged.Keys {
			if merged.Sums[i].BytesInL2 != want[key] {
				t.Fatalf("%v: %d, want %d", key, merged.Sums[i].BytesInL2, want[key])
			}
		}
		if len(merged.Keys) != len(want) || !slices.IsSortedFunc(merged.Keys, func(a, b CycleKey) int {
			return cmp.Or(bytes.Compare(a.Service[:], b.Service[:]), bytes.Compare(a.Cycle[:], b.Cycle[:]))
		}) {
			t.Fatalf("%d rows for %d cycles: %v", len(merged.Keys), len(want), merged.Keys)
		}
	})
}
