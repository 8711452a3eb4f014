package envelope_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/envelope"
)

func flow() envelope.Flow {
	return envelope.Flow{
		Start: 1_750_000_001_000_000_001, End: 1_750_000_001_000_000_257,
		Src: netip.MustParseAddr("192.0.2.7"), Dst: netip.MustParseAddr("2001:db8::9"),
		BytesL2: 0x0102, BytesL3: 0x0304, Packets: 0x0506, Rate: 0x0708, Input: 27, Output: 28,
		Side: envelope.SideEgress, Document: 0x1122334455667788,
	}
}

func sealedFlows(t testing.TB, h envelope.Header, fs ...envelope.Flow) []byte {
	t.Helper()
	var w envelope.Writer
	w.ResetFlows(nil, h, 0)
	for _, f := range fs {
		if ok, err := w.AppendFlow(f); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	return w.Seal(h.Sequence)
}

func drainFlows(b envelope.Body) []envelope.Flow {
	var fs []envelope.Flow
	for f, ok := b.NextFlow(); ok; f, ok = b.NextFlow() {
		fs = append(fs, f)
	}
	return fs
}

func sameAddr() cmp.Option { return cmp.Comparer(func(a, b netip.Addr) bool { return a == b }) }

// The bytes are the contract: they may not change while old messages are in Kafka.
func TestFlowLayout(t *testing.T) {
	t.Parallel()
	b := sealedFlows(t, header(), flow())
	want := []byte("EZF1\x03\x00\x00\x00" +
		"\x01\x8f\x00\x00\x00\x00\x70\x00\x80\x00\x00\x00\x00\x00\x00\x01" +
		"\x15\xcd\x4a\x6c\xba\x3f\x49\x18" + "\x07\x00\x00\x00\x00\x00\x00\x00" +
		"\x01\x8f\x00\x00\x00\x00\x70\x00\x80\x00\x00\x00\x00\x00\x00\x02" +
		"\x01\xca\x89\xa0\xba\x3f\x49\x18" + "\x01\xcb\x89\xa0\xba\x3f\x49\x18" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09" +
		"\x02\x01\x00\x00\x00\x00\x00\x00" + "\x04\x03\x00\x00\x00\x00\x00\x00" + "\x06\x05\x00\x00\x00\x00\x00\x00" +
		"\x08\x07\x00\x00" + "\x1b\x00\x00\x00" + "\x1c\x00\x00\x00" + "\x02\x00\x00\x00" +
		"\x88\x77\x66\x55\x44\x33\x22\x11")
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("layout changed (-want +got):\n%s", diff)
	}
}

func TestFlowsRoundTrip(t *testing.T) {
	t.Parallel()
	moment := flow()
	moment.End, moment.Side, moment.Src = moment.Start, envelope.SideUnknown, netip.MustParseAddr("::1")
	want := []envelope.Flow{flow(), moment}
	h, body, err := envelope.Parse(sealedFlows(t, header(), want...))
	if err != nil {
		t.Fatal(err)
	}
	wantHeader := header()
	wantHeader.Kind = envelope.KindFlows
	if diff := cmp.Diff(wantHeader, h); diff != "" {
		t.Error(diff)
	}
	if ds := drain(body); len(ds) > 0 {
		t.Errorf("flows hold %d datagrams", len(ds))
	}
	if diff := cmp.Diff(want, drainFlows(body), sameAddr()); diff != "" {
		t.Error(diff)
	}
	if _, body, _ = envelope.Parse(sealed(t, header(), datagram("abc"))); len(drainFlows(body)) > 0 {
		t.Error("datagrams hold flows")
	}
}

func TestParseRefusesFlows(t *testing.T) {
	t.Parallel()
	good := sealedFlows(t, header(), flow())
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[envelope.HeaderSize+at:], to)
		return b
	}
	noExporter := header()
	noExporter.Exporter = uuid.Nil
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"no exporter":     {sealedFlows(t, noExporter, flow()), envelope.ErrExporter},
		"ends too early":  {change(8, 0, 0, 0, 0, 0, 0, 0, 0), envelope.ErrFlow},
		"L2 too large":    {change(48, 1, 0, 0, 0, 0, 0, 4, 0), envelope.ErrFlow},
		"L3 too large":    {change(56, 1, 0, 0, 0, 0, 0, 4, 0), envelope.ErrFlow},
		"many packets":    {change(64, 1, 0, 0, 0, 0, 0, 4, 0), envelope.ErrFlow},
		"side":            {change(84, 3), envelope.ErrFlow},
		"flags":           {change(85, 1), envelope.ErrReserved},
		"reserved":        {change(86, 1), envelope.ErrReserved},
		"reserved second": {change(87, 1), envelope.ErrReserved},
	} {
		if _, _, err := envelope.Parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	for n := envelope.HeaderSize + 1; n < len(good); n++ {
		if _, _, err := envelope.Parse(good[:n]); !errors.Is(err, envelope.ErrShort) {
			t.Errorf("cut at %d: got %v", n, err)
		}
	}
	if _, _, err := envelope.Parse(change(48, 0, 0, 0, 0, 0, 0, 4, 0)); err != nil {
		t.Errorf("the bound itself: %v", err)
	}
}

func TestFlowWriterBounds(t *testing.T) {
	t.Parallel()
	var w envelope.Writer
	if ok, err := w.AppendFlow(flow()); ok || err != nil {
		t.Errorf("a writer without Reset took a flow: %v, %v", ok, err)
	}
	w.Reset(nil, header(), 0)
	if ok, err := w.AppendFlow(flow()); ok || err != nil {
		t.Errorf("an envelope of datagrams took a flow: %v, %v", ok, err)
	}
	w.ResetFlows(nil, header(), 1000)
	if w.Append(datagram("x")) {
		t.Error("an envelope of flows took a datagram")
	}
	for _, bad := range []func(*envelope.Flow){
		func(f *envelope.Flow) { f.Src = netip.Addr{} },
		func(f *envelope.Flow) { f.Dst = netip.MustParseAddr("fe80::1%eth0") },
		func(f *envelope.Flow) { f.BytesL2 = envelope.MaxFlowBytes + 1 },
		func(f *envelope.Flow) { f.End = f.Start - 1 },
	} {
		f := flow()
		bad(&f)
		if ok, err := w.AppendFlow(f); ok || !errors.Is(err, envelope.ErrFlow) {
			t.Errorf("took %+v: %v, %v", f, ok, err)
		}
	}
	for ok := true; ok; {
		ok, _ = w.AppendFlow(flow())
	}
	if want := (1000 - envelope.HeaderSize) / envelope.FlowSize; w.Count() != want {
		t.Errorf("%d flows in 1000 bytes, want %d", w.Count(), want)
	}
}

func TestAnyFlowsComeBack(t *testing.T) {
	t.Parallel()
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))).Unmap()
	})
	rapid.Check(t, func(t *rapid.T) {
		var w envelope.Writer
		w.ResetFlows(nil, header(), 0)
		var want []envelope.Flow
		for range rapid.IntRange(0, 20).Draw(t, "count") {
			start := rapid.Int64Max(1<<62).Draw(t, "start")
			f := envelope.Flow{
				Start: start, End: start + rapid.Int64Range(0, 1<<40).Draw(t, "length"),
				Src: address.Draw(t, "src"), Dst: address.Draw(t, "dst"),
				BytesL2: rapid.Uint64Max(envelope.MaxFlowBytes).Draw(t, "l2"), BytesL3: rapid.Uint64Max(envelope.MaxFlowBytes).Draw(t, "l3"),
				Packets: rapid.Uint64Max(envelope.MaxFlowBytes).Draw(t, "packets"), Rate: rapid.Uint32().Draw(t, "rate"),
				Input: rapid.Uint32().Draw(t, "input"), Output: rapid.Uint32().Draw(t, "output"),
				Side: envelope.Side(rapid.IntRange(0, 2).Draw(t, "side")), Document: rapid.Uint64().Draw(t, "document"),
			}
			if ok, err := w.AppendFlow(f); !ok || err != nil {
				t.Fatal(ok, err)
			}
			want = append(want, f)
		}
		_, body, err := envelope.Parse(w.Seal(rapid.Uint64Min(1).Draw(t, "sequence")))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, drainFlows(body), sameAddr(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestFlowWalkAllocatesNothing(t *testing.T) {
	b := sealedFlows(t, header(), flow(), flow())
	allocs := testing.AllocsPerRun(100, func() {
		_, body, _ := envelope.Parse(b)
		for _, ok := body.NextFlow(); ok; _, ok = body.NextFlow() {
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
