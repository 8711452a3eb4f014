package netflow_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
)

// TestAnyTemplate holds that a record reads the same by whatever elements it was written, in whatever order.
func TestAnyTemplate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		version := rapid.SampledFrom([]uint16{netflow.Version9, netflow.IPFIX}).Draw(rt, "version")
		pick := func(name string, from ...[]uint16) []uint16 { return rapid.SampledFrom(from).Draw(rt, name) }
		times := [][]uint16{{150, 4, 151, 4}, {152, 8, 153, 8}, {154, 8, 155, 8}, {156, 8, 157, 8}, {158, 4, 159, 4}}
		if version == netflow.Version9 {
			times = append(times, []uint16{22, 4, 21, 4})
		}
		parts := rapid.Permutation([][]uint16{
			{element.SrcIPv4, 4}, {element.DstIPv4, 4}, {element.Protocol, 1}, {element.Direction, 1}, {element.IPVersion, 1}, {element.L2Octets, 8},
			pick("octets", []uint16{1, 8, 2, 8}, []uint16{85, 4, 86, 3}, []uint16{23, 5, 24, 6}, []uint16{231, 4, 298, 4}, []uint16{1, 65535, 2, 65535}),
			pick("ports", []uint16{10, 2, 14, 4}, []uint16{252, 4, 253, 4}, []uint16{10, 8, 14, 8}),
			pick("rate", []uint16{34, 4}, []uint16{50, 4}, []uint16{305, 4, 306, 4}, []uint16{309, 2, 310, 4}),
			pick("sampler", []uint16{48, 1}, []uint16{302, 8}), pick("times", times...),
			pick("other", []uint16{82, 65535}, []uint16{95, 9}, []uint16{7, 2}, []uint16{210, 0}),
		}).Draw(rt, "order")
		var pairs []uint16
		for _, p := range parts {
			pairs = append(pairs, p...)
		}
		want := web()
		want.L2Bytes, want.HasL2 = 152_000, true
		want.Rate, want.RateKnown, want.RateFrom = rapid.Uint32Range(1, 1<<20).Draw(rt, "n"), true, netflow.RateFromRecord
		want.Sampler = rapid.Uint64Range(0, 255).Draw(rt, "id")
		tpl := export.Of(300, pairs...)
		got := decode(t, netflow.New(), build(head(version), func(e *export.Encoder) {
			e.Template(tpl)
			e.Records(tpl, []netflow.Record{want, want, want})
		}))
		near := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() <= 1 })
		if diff := cmp.Diff([]netflow.Record{want, want, want}, got.Records, addresses(), near); diff != "" {
			rt.Fatalf("template %v (-written +read):\n%s", pairs, diff)
		}
	})
}

// TestLongValues passes over values whose length takes three bytes.
func TestLongValues(t *testing.T) {
	t.Parallel()
	tpl := export.Of(300, 82, element.Variable, element.SrcIPv4, 4, element.Octets, 4)
	body := append(append([]byte{255, 1, 44}, make([]byte, 300)...), 10, 0, 0, 1, 0, 0, 0, 9)
	body = append(append(body, 0), 10, 0, 0, 2, 0, 0, 0, 8)
	got := decode(t, netflow.New(), build(head(netflow.IPFIX), func(e *export.Encoder) { e.Template(tpl); e.Set(300, body) }))
	if len(got.Records) != 2 || got.Records[0].Bytes != 9 || got.Records[1].Bytes != 8 || got.Records[1].Src.String() != "10.0.0.2" {
		t.Errorf("%+v", got)
	}
}

// TestWaitingVariableData recovers records of variable length, and none that end in the middle.
func TestWaitingVariableData(t *testing.T) {
	t.Parallel()
	tpl := export.Of(300, 82, element.Variable, element.SrcIPv4, 4, element.Octets, 4)
	for end, want := range map[int]int{13: 1, 12: 0} {
		d := netflow.New()
		body := []byte{4, 'e', 't', 'h', '0', 10, 0, 0, 1, 0, 0, 0, 9}
		decode(t, d, build(head(netflow.IPFIX), func(e *export.Encoder) { e.Set(300, append(body[:end:end], make([]byte, (4-end%4)%4)...)) }))
		got := decode(t, d, build(head(netflow.IPFIX), func(e *export.Encoder) { e.Template(tpl) }))
		if len(got.Recovered) != want || got.Rejects[netflow.ErrMismatch] != 1-want {
			t.Errorf("%d bytes: %+v", end, got)
		}
	}
}

// TestScopesOfIPFIX are elements, not version 9's numbers.
func TestScopesOfIPFIX(t *testing.T) {
	t.Parallel()
	data := options(netflow.IPFIX, 7, addressed(element.Octets, 4, element.Input, 4), 1, 2, 500, 3)
	for name, c := range map[string]struct {
		scope uint16
		value uint64
		want  string
	}{
		"its interface": {element.Input, 3, "64 by domain"}, "another interface": {element.PhysicalInput, 4, "unknown"},
		"its template": {element.TemplateID, 300, "64 by domain"}, "another template": {element.TemplateID, 301, "unknown"},
		"a process": {144, 2, "64 by domain"}, "2 is no interface": {2, 9, "64 by domain"},
	} {
		got := decode(t, netflow.New(), options(netflow.IPFIX, 7, export.Options(400, 1, c.scope, 4, 34, 4), c.value, 64), data)
		if r := only(t, got); told(r) != c.want {
			t.Errorf("%s: %s, want %s", name, told(r), c.want)
		}
	}
}

// TestCodes holds that every reason has a text of its own, found in a wrapped error.
func TestCodes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range netflow.Codes() {
		if seen[c.Error()] || c.Error() == "unknown" || netflow.Reason(fmt.Errorf("decode: %w", c)) != c.Error() {
			t.Errorf("code %d: %s", c, c)
		}
		seen[c.Error()] = true
	}
	if len(seen) == 0 || netflow.Reason(errors.New("other")) != "unknown" {
		t.Errorf("%d codes", len(seen))
	}
}
