package netflow_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

// traffic draws a datagram that touches every part of a decoder's memory, in a few domains.
func traffic() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		h := head(rapid.SampledFrom([]uint16{netflow.Version5, netflow.Version9, netflow.IPFIX}).Draw(t, "version"))
		h.Domain = rapid.Uint32Range(1, 2).Draw(t, "domain")
		h.Sequence = rapid.Uint32().Draw(t, "sequence")
		h.Uptime = rapid.Uint32Range(uptime, uptime+3).Draw(t, "uptime")
		id := rapid.Uint16Range(256, 258).Draw(t, "id")
		data := rapid.SampledFrom([]template.Template{
			export.IPv4(id), addressed(element.Octets, 8), addressed(element.Octets, 4, element.SamplerID, 2), addressed(element.Octets, 65535, 22, 4),
		}).Draw(t, "template")
		data.ID = id
		about := rapid.SampledFrom([]template.Template{
			export.Sampler(h.Version, 300), export.Rate(h.Version, 301), export.Options(302, 1, 2, 4, 34, 4), export.Options(303, 1, 149, 4, element.SystemInit, 8),
		}).Draw(t, "option")
		number := rapid.Uint64Range(0, 3)
		return build(h, func(e *export.Encoder) {
			if h.Version == netflow.Version5 {
				e.Records(template.Template{}, []netflow.Record{web()})
				return
			}
			for range rapid.IntRange(0, 3).Draw(t, "sets") {
				switch rapid.IntRange(0, 4).Draw(t, "kind") {
				case 0:
					e.Template(data)
				case 1:
					e.Values(data, number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c"), number.Draw(t, "d"))
				case 2:
					e.Template(about)
				case 3:
					e.Values(about, number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c"))
				case 4:
					e.Withdraw(id, false)
				}
			}
		})
	})
}

// TestState holds that a decoder that was stored and read answers like the original, and stores the same bytes.
func TestState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		original, stored := netflow.New(), netflow.New()
		now := int64(received)
		for range rapid.IntRange(1, 60).Draw(rt, "datagrams") {
			b := traffic().Draw(rt, "datagram")
			now += rapid.Int64Range(0, 5*60e9).Draw(rt, "later")
			a, errA := original.Decode(source(), now, b)
			c, errC := stored.Decode(source(), now, b)
			if diff := cmp.Diff(a, c, addresses(), cmpopts.EquateEmpty(), cmp.AllowUnexported(netflow.Datagram{})); diff != "" || errA != errC {
				rt.Fatalf("%v, %v (-original +stored):\n%s", errA, errC, diff)
			}
			if !rapid.Bool().Draw(rt, "store") {
				continue
			}
			state := stored.AppendState(nil)
			if !bytes.Equal(state, original.AppendState(nil)) {
				rt.Fatal("the states differ")
			}
			var err error
			if stored, err = netflow.ReadState(state); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// everything is a decoder with all that one can remember.
func everything(t testing.TB) *netflow.Decoder {
	t.Helper()
	d := netflow.New()
	for _, version := range []uint16{netflow.Version9, netflow.IPFIX} {
		decode(t, d, options(version, 7, export.Sampler(version, 400), 0, 5, 1000), options(version, 8, export.Rate(version, 401), 0, 100, 1),
			options(version, 8, export.Options(402, 1, 149, 4, element.SystemInit, 8), 0, 123456), options(version, 7, export.IPv4(256)),
			dataAlone(version, 9), build(head(version), func(e *export.Encoder) { e.Set(500, []byte("waits")) }))
	}
	return d
}

// TestStateThatIsNone refuses what AppendState does not write, without making anything large.
func TestStateThatIsNone(t *testing.T) {
	t.Parallel()
	whole := everything(t).AppendState(nil)
	if d, err := netflow.ReadState(whole); err != nil || !bytes.Equal(d.AppendState(nil), whole) {
		t.Fatalf("whole: %v", err)
	}
	for n := 1; n < len(whole); n++ {
		if _, err := netflow.ReadState(whole[:n]); !errors.Is(err, netflow.ErrState) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	later := bytes.Clone(whole)
	later[0]++
	huge := append(bytes.Clone(whole[:9]), 0xff, 0xff, 0xff, 0xff, 0x0f)
	for name, b := range map[string][]byte{"another version": later, "too long": append(bytes.Clone(whole), 0), "a huge count": huge} {
		if _, err := netflow.ReadState(b); !errors.Is(err, netflow.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := netflow.ReadState(nil); err != nil || !bytes.Equal(d.AppendState(nil), netflow.New().AppendState(nil)) {
		t.Errorf("nothing: %v", err)
	}
}

// TestStateIsAppended leaves what stands before it.
func TestStateIsAppended(t *testing.T) {
	t.Parallel()
	d := everything(t)
	if got := d.AppendState([]byte("before")); !bytes.Equal(got, append([]byte("before"), d.AppendState(nil)...)) {
		t.Errorf("%q", got[:min(len(got), 20)])
	}
	if _, err := d.Decode(source(), math.MaxInt64, nil); err == nil {
		t.Error("an empty datagram was taken")
	}
}
