package envelope_test

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/envelope"
)

func header() envelope.Header {
	return envelope.Header{
		Kind:      envelope.KindDatagrams,
		Collector: uuid.MustParse("018f0000-0000-7000-8000-000000000001"),
		Boot:      1_750_000_000_123_456_789,
		Sequence:  7,
		Exporter:  uuid.MustParse("018f0000-0000-7000-8000-000000000002"),
	}
}

func datagram(payload string) envelope.Datagram {
	return envelope.Datagram{
		Received: 1_750_000_001_000_000_001,
		Source:   netip.MustParseAddrPort("192.0.2.7:6343"),
		Protocol: envelope.ProtocolSFlow,
		Payload:  []byte(payload),
	}
}

func sealed(t testing.TB, h envelope.Header, ds ...envelope.Datagram) []byte {
	t.Helper()
	var w envelope.Writer
	w.Reset(nil, h, 0)
	for _, d := range ds {
		if !w.Append(d) {
			t.Fatal("datagram did not fit")
		}
	}
	return w.Seal(h.Sequence)
}

func drain(b envelope.Body) []envelope.Datagram {
	var ds []envelope.Datagram
	for d, ok := b.Next(); ok; d, ok = b.Next() {
		ds = append(ds, d)
	}
	return ds
}

// The bytes are the contract: they may not change while old messages are in Kafka.
func TestLayout(t *testing.T) {
	b := sealed(t, header(), datagram("abc"))
	want := []byte("EZF1\x01\x00\x00\x00" +
		"\x01\x8f\x00\x00\x00\x00\x70\x00\x80\x00\x00\x00\x00\x00\x00\x01" +
		"\x15\xcd\x4a\x6c\xba\x3f\x49\x18" + "\x07\x00\x00\x00\x00\x00\x00\x00" +
		"\x01\x8f\x00\x00\x00\x00\x70\x00\x80\x00\x00\x00\x00\x00\x00\x02" +
		"\x01\xca\x89\xa0\xba\x3f\x49\x18" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x07" +
		"\xc7\x18" + "\x01\x00" + "\x03\x00" + "\x00\x00" + "abc")
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("layout changed (-want +got):\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	v6 := datagram("")
	v6.Source = netip.MustParseAddrPort("[2001:db8::1]:9")
	v6.Protocol = envelope.ProtocolNetFlow
	want := []envelope.Datagram{datagram("one"), v6, datagram("three")}
	h, body, err := envelope.Parse(sealed(t, header(), want...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(header(), h); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, drain(body), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	good := sealed(t, header(), datagram("abc"))
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	noExporter := header()
	noExporter.Exporter = uuid.Nil
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                {nil, envelope.ErrShort},
		"cut header":           {good[:envelope.HeaderSize-1], envelope.ErrShort},
		"magic":                {change(3, '2'), envelope.ErrMagic},
		"kind":                 {change(4, 4), envelope.ErrKind},
		"kind 0":               {change(4, 0), envelope.ErrKind},
		"reserved":             {change(7, 1), envelope.ErrReserved},
		"sequence 0":           {change(32, 0, 0, 0, 0, 0, 0, 0, 0), envelope.ErrSequence},
		"no exporter":          {sealed(t, noExporter, datagram("x")), envelope.ErrExporter},
		"report with exporter": {change(4, 2), envelope.ErrExporter},
		"record reserved":      {change(envelope.HeaderSize+27, 1), envelope.ErrReserved},
		"length too large":     {change(envelope.HeaderSize+28, 4), envelope.ErrShort},
		"length too small":     {change(envelope.HeaderSize+28, 2), envelope.ErrShort},
		"too long":             {append(bytes.Clone(good), make([]byte, envelope.MaxSize)...), envelope.ErrLong},
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
}

func TestWriterBounds(t *testing.T) {
	var w envelope.Writer
	w.Reset(nil, header(), 1000)
	if !w.Append(datagram(string(make([]byte, envelope.MaxDatagram)))) {
		t.Error("an empty envelope refused a large datagram")
	}
	if w.Append(datagram("x")) {
		t.Error("an envelope above its limit took one more")
	}
	w.Reset(w.Seal(1), header(), 0)
	for w.Append(datagram(string(make([]byte, 1400)))) {
	}
	if got := w.Len(); got > envelope.MaxSize || got < envelope.MaxSize-1500 {
		t.Errorf("full envelope has %d bytes", got)
	}
	if w.Append(datagram(string(make([]byte, envelope.MaxDatagram+1)))) {
		t.Error("took a datagram longer than UDP can carry")
	}
	count := w.Count()
	_, body, err := envelope.Parse(w.Seal(2))
	if err != nil || len(drain(body)) != count {
		t.Errorf("full envelope: %d datagrams, %v", len(drain(body)), err)
	}
}

func TestReport(t *testing.T) {
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	want := envelope.Report{
		Host: "c1", Listen: "[::]:6343", At: at, Watermark: at.Add(-time.Second), ReceiveBuffer: 8 << 20,
		Datagrams: 10, Bytes: 20, KernelDrops: 1, SpoolDrops: 2, UnknownDatagrams: 3,
		Unknown: []envelope.UnknownSource{{Source: "192.0.2.1", Datagrams: 3, Bytes: 9, LastAt: at}},
	}
	b, err := envelope.AppendReport(nil, header(), want)
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := envelope.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Kind != envelope.KindReport || h.Sequence != 7 || h.Exporter != uuid.Nil {
		t.Errorf("header %+v", h)
	}
	if ds := drain(body); len(ds) > 0 {
		t.Errorf("a report holds %d datagrams", len(ds))
	}
	got, err := body.Report()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := (envelope.Body{}).Report(); !errors.Is(err, envelope.ErrReport) {
		t.Errorf("empty report: %v", err)
	}
}

func TestReportNamesAtMost(t *testing.T) {
	b, err := envelope.AppendReport(nil, header(), envelope.Report{Unknown: make([]envelope.UnknownSource, 1000)})
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := envelope.Parse(b)
	if r, err := body.Report(); err != nil || len(r.Unknown) != envelope.MaxUnknown {
		t.Errorf("%d unknown sources, %v", len(r.Unknown), err)
	}
}

func TestAnyDatagramsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w envelope.Writer
		w.Reset(nil, header(), 0)
		var want []envelope.Datagram
		for range rapid.IntRange(0, 20).Draw(t, "count") {
			d := envelope.Datagram{
				Received: rapid.Int64().Draw(t, "received"),
				Protocol: envelope.Protocol(rapid.Byte().Draw(t, "protocol")),
				Payload:  rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "payload"),
			}
			d.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address"))), rapid.Uint16().Draw(t, "port"))
			if w.Append(d) {
				want = append(want, d)
			}
		}
		_, body, err := envelope.Parse(w.Seal(rapid.Uint64Min(1).Draw(t, "sequence")))
		if err != nil {
			t.Fatal(err)
		}
		same := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
		if diff := cmp.Diff(want, drain(body), same, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestWalkAllocatesNothing(t *testing.T) {
	b := sealed(t, header(), datagram("one"), datagram("two"))
	var w envelope.Writer
	buf := make([]byte, 0, 4096)
	d := datagram("three")
	allocs := testing.AllocsPerRun(100, func() {
		_, body, _ := envelope.Parse(b)
		for _, ok := body.Next(); ok; _, ok = body.Next() {
		}
		w.Reset(buf, header(), 0)
		w.Append(d)
		buf = w.Seal(1)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzParse: never a panic, and what is accepted is written back to the byte.
func FuzzParse(f *testing.F) {
	f.Add(sealed(f, header()))
	f.Add(sealed(f, header(), datagram("abc"), datagram("")))
	report, _ := envelope.AppendReport(nil, header(), envelope.Report{Host: "h"})
	f.Add(report)
	f.Add(sealedFlows(f, header(), flow(), flow()))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := envelope.Parse(b)
		if err != nil {
			return
		}
		if h.Kind == envelope.KindReport {
			_, _ = body.Report()
			return
		}
		var w envelope.Writer
		w.Reset(nil, h, 0)
		if h.Kind == envelope.KindFlows {
			w.ResetFlows(nil, h, 0)
		}
		for d, ok := body.Next(); ok; d, ok = body.Next() {
			if !w.Append(d) {
				t.Fatal("does not fit any more")
			}
		}
		for fl, ok := body.NextFlow(); ok; fl, ok = body.NextFlow() {
			if ok, err := w.AppendFlow(fl); !ok || err != nil {
				t.Fatal("does not fit any more", err)
			}
		}
		if body.Len() != 0 {
			t.Fatalf("%d bytes left", body.Len())
		}
		if got := w.Seal(h.Sequence); !bytes.Equal(got, b) {
			t.Fatalf("written back differently:\n%x\n%x", b, got)
		}
	})
}

func full(b *testing.B) ([]byte, int) {
	var w envelope.Writer
	w.Reset(nil, header(), 0)
	d := datagram(string(make([]byte, 870)))
	for w.Append(d) {
	}
	count := w.Count()
	b.ReportAllocs()
	return w.Seal(1), count
}

func BenchmarkParse(b *testing.B) {
	data, count := full(b)
	var bytes int
	for b.Loop() {
		_, body, err := envelope.Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		for d, ok := body.Next(); ok; d, ok = body.Next() {
			bytes += len(d.Payload)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/datagram")
}

func BenchmarkWrite(b *testing.B) {
	buf, count := full(b)
	d := datagram(string(make([]byte, 870)))
	var w envelope.Writer
	for b.Loop() {
		w.Reset(buf, header(), 0)
		for w.Append(d) {
		}
		buf = w.Seal(1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/datagram")
}
