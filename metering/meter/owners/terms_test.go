package owners

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/meter/count"
)

func TestBillable(t *testing.T) {
	t.Parallel()
	u := &count.Usage{BytesInL2: 10, BytesOutL2: 20, BytesInL3: 9, BytesOutL3: 18}
	for direction, want := range map[string][2]int64{"sum": {30, 27}, "in": {10, 9}, "out": {20, 18}, "max": {20, 18}} {
		l2, l3 := Terms{direction: direction}, Terms{direction: direction, l3: true}
		if got := [2]int64{l2.Billable(u), l3.Billable(u)}; got != want {
			t.Errorf("%s: %v, want %v", direction, got, want)
		}
	}
}

func TestCrossed(t *testing.T) {
	t.Parallel()
	usage := func(bytes, samples int64) *count.Usage { return &count.Usage{BytesInL2: bytes, SamplesIn: samples} }
	for name, c := range map[string]struct {
		quota         int64
		before, after *count.Usage
		want          []int16
	}{
		"below":               {1000, usage(0, 0), usage(749, 1), nil},
		"reached exactly":     {1000, usage(749, 1), usage(750, 2), []int16{75}},
		"reached before":      {1000, usage(750, 1), usage(899, 2), nil},
		"all at once":         {1000, usage(0, 0), usage(5000, 1), []int16{75, 90, 100}},
		"no quota":            {0, usage(0, 0), usage(5000, 1), nil},
		"no sample":           {1000, usage(0, 0), usage(5000, 0), []int16{75, 90, 100}}, // of a port's counters
		"no byte":             {1000, usage(0, 0), usage(0, 0), nil},
		"a byte of a percent": {101, usage(75, 1), usage(76, 2), []int16{75}},
		"largest quota":       {math.MaxInt64, usage(0, 0), usage(math.MaxInt64, 2), []int16{75, 90, 100}},
	} {
		terms := Terms{Quota: c.quota, direction: "sum", thresholds: []int16{75, 90, 100}}
		if diff := cmp.Diff(c.want, terms.Crossed(c.before, c.after)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	beyond := Terms{Quota: math.MaxInt64, direction: "sum", thresholds: []int16{32767}}
	if got := beyond.Crossed(usage(0, 0), usage(math.MaxInt64, 1)); got != nil {
		t.Errorf("%v of a level beyond int64", got)
	}
}

// However usage is cut into flushes, each threshold is crossed once, and those at or below the end are.
func TestEachThresholdOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms := Terms{Quota: rapid.Int64Range(1, 1<<40).Draw(t, "quota"), direction: "sum", thresholds: []int16{1, 50, 75, 90, 100, 150}}
		var before count.Usage
		crossed := map[int16]int{}
		for range rapid.IntRange(1, 20).Draw(t, "flushes") {
			after := before
			after.BytesInL2 += rapid.Int64Range(0, terms.Quota/2).Draw(t, "bytes")
			after.SamplesIn++
			for _, percent := range terms.Crossed(&before, &after) {
				crossed[percent]++
			}
			before = after
		}
		for _, percent := range terms.thresholds {
			reached := 0
			if before.BytesInL2*100 >= terms.Quota*int64(percent) {
				reached = 1
			}
			if crossed[percent] != reached {
				t.Fatalf("%d %% crossed %d times at %d of %d", percent, crossed[percent], before.BytesInL2, terms.Quota)
			}
		}
	})
}
