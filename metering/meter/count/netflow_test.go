package count_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
)

// flowExporter numbers the datagrams of one NetFlow or IPFIX exporter.
type flowExporter struct {
	version  uint16
	sampling uint16
	encoder  export.Encoder
	sequence uint32
}

// send makes a datagram, received that long after the start of the hour.
func (e *flowExporter) send(after time.Duration, write func(*export.Encoder), step uint32) metertest.Packet {
	e.encoder.Start(netflow.Header{Version: e.version, Sequence: e.sequence, Uptime: 10_000_000, Exported: 1_700_000_000_000_000_000, Domain: 7, Sampling: e.sampling})
	write(&e.encoder)
	e.sequence += step
	return metertest.Packet{Received: start + int64(after), Protocol: envelope.ProtocolNetFlow, Payload: bytes.Clone(e.encoder.Finish())}
}

// flowRecord went from service 0 to the world for a minute, and ended ten seconds before it was exported.
func flowRecord() netflow.Record {
	return netflow.Record{Src: one, Dst: world, HasIP: true, Bytes: 6000, Packets: 60, Input: 1, Output: 2, Direction: netflow.DirectionIngress,
		StartAge: 70 * time.Second, EndAge: 10 * time.Second}
}

func records(all ...netflow.Record) func(*export.Encoder) {
	return func(e *export.Encoder) { e.Records(export.IPv4(256), all) }
}

func template(e *export.Encoder) { e.Template(export.IPv4(256)) }

func rate(n uint64) func(*export.Encoder) {
	return func(e *export.Encoder) {
		e.Template(export.Rate(netflow.Version9, 300))
		e.Values(export.Rate(netflow.Version9, 300), 0, n, 2)
	}
}

func TestVersion9(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	e := flowExporter{version: netflow.Version9}
	b.feed(t, e.send(0, rate(100), 1), e.send(0, template, 1), e.send(2*time.Minute, records(flowRecord()), 1))
	want := count.Usage{BytesOutL2: 600_000, BytesOutL3: 600_000, PacketsOut: 6000, SamplesOut: 60}
	if diff := cmp.Diff(want, b.usage(0)); diff != "" {
		t.Error(diff)
	}
	b.Tally.Each(func(_ int32, c count.Column, u *count.Usage) {
		if from := c.Slot - start/slot; from < 5 || from > 10 || u.BytesOutL2 != 100_000 {
			t.Errorf("slot %d: %+v", from, u)
		}
	})
	if l := b.loss(); l.Datagrams != 3 || l.Records != 1 || l.DatagramsLost != 0 || l.RecordsLost != 0 {
		t.Errorf("%+v", l)
	}
	if p := b.port(1); p.FlowIn != 600_000 || p.SamplesIn != 60 {
		t.Errorf("%+v", p)
	}
}

func TestVersion5SaysItsRateInTheHeader(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	e := flowExporter{version: netflow.Version5, sampling: 1000}
	v5 := func(e *export.Encoder) { e.Records(export.Of(0), []netflow.Record{flowRecord()}) }
	first, lost := e.send(2*time.Minute, v5, 1), e.send(2*time.Minute, v5, 30)
	b.feed(t, first, e.send(2*time.Minute, v5, 1), first)
	if u := b.usage(0); u.BytesOutL2 != 12_000_000 {
		t.Errorf("%+v", u)
	}
	if l := b.loss(); l.RecordsLost != 30 || l.DatagramsDuplicate != 1 || l.DatagramsLost != 0 {
		t.Errorf("%+v", l)
	}
	if b.feed(t, lost); b.loss().Datagrams != 3 {
		t.Errorf("%+v", b.loss())
	}
}

// A rate that nobody states is not 1.
func TestRatesOfRecords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stated                  uint64
		byDefault, override     uint32
		bytes, quarantined, set int64 // set: the rate in quarantine
	}{
		"stated":                       {stated: 10, bytes: 60_000},
		"unsampled":                    {stated: 1, bytes: 6000},
		"none":                         {quarantined: 1},
		"none, with a default":         {byDefault: 50, bytes: 300_000},
		"stated, with a default":       {stated: 10, byDefault: 50, bytes: 60_000},
		"stated, with an override":     {stated: 10, override: 20, bytes: 120_000},
		"none, with an override":       {override: 20, bytes: 120_000},
		"out of the exporter's bounds": {stated: 2_000_000, quarantined: 1, set: 2_000_000},
	} {
		b := newBench(t, ownership.Ingress)
		b.exporter.RateDefault, b.exporter.RateOverride = c.byDefault, c.override
		e := flowExporter{version: netflow.Version9}
		if c.stated > 0 {
			b.feed(t, e.send(0, rate(c.stated), 1))
		}
		b.feed(t, e.send(0, template, 1), e.send(2*time.Minute, records(flowRecord()), 1))
		if u := b.usage(0); u.BytesOutL2 != c.bytes {
			t.Errorf("%s: %+v", name, u)
		}
		if l := b.loss(); l.SamplesQuarantined != c.quarantined {
			t.Errorf("%s: %+v", name, l)
		}
		for key, q := range b.Tally.Quarantine {
			if int64(key.Rate) != c.set || q != (count.Quarantined{Samples: 60, FrameLength: 6000, IPLength: 6000}) {
				t.Errorf("%s: %+v %+v", name, key, q)
			}
		}
	}
}

// A month of bytes must not hang on a template that comes late: data waits for it, and counts once even when it came twice.
func TestDataWaitsForItsTemplate(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	b.exporter.RateDefault = 1
	e := flowExporter{version: netflow.Version9}
	early := e.send(time.Minute*2, records(flowRecord()), 1)
	b.feed(t, early, early)
	if u := b.usage(0); u != (count.Usage{}) {
		t.Errorf("%+v", u)
	}
	b.feed(t, e.send(4*time.Minute, template, 1), early, e.send(5*time.Minute, template, 1))
	if u := b.usage(0); u.BytesOutL2 != 6000 {
		t.Errorf("%+v", u)
	}
	b.Tally.Each(func(_ int32, c count.Column, _ *count.Usage) {
		if from := c.Slot - start/slot; from < 5 || from > 10 {
			t.Errorf("slot %d is not of the time it came", from)
		}
	})
	if l := b.loss(); l.SetsWithoutTemplate != 0 || l.DatagramsDuplicate != 2 {
		t.Errorf("%+v", l)
	}
}

// What cannot be billed of data that waited is in the ledger, as of data that did not wait.
func TestDataThatWaitedInVain(t *testing.T) {
	t.Parallel()
	without := export.Of(256, element.SrcIPv4, 4, element.DstIPv4, 4) // no bytes
	data := func(e *export.Encoder) { e.Records(without, []netflow.Record{flowRecord(), flowRecord()}) }
	learn := func(e *export.Encoder) { e.Template(without) }
	for name, writes := range map[string][]func(*export.Encoder){"late": {data, learn}, "in time": {learn, data}} {
		b := newBench(t, ownership.Ingress)
		e := flowExporter{version: netflow.Version9}
		for _, write := range writes {
			b.feed(t, e.send(0, write, 1))
		}
		if l := b.loss(); l.SamplesUnknown != 2 {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

// The meter's memory may be written down and read back between any two datagrams.
func TestTemplatesOutliveTheMeter(t *testing.T) {
	t.Parallel()
	b := newBench(t, ownership.Ingress)
	e := flowExporter{version: netflow.IPFIX}
	ipfix := func(e *export.Encoder) { e.Records(export.IPFIXv4(256), []netflow.Record{flowRecord()}) }
	options := func(e *export.Encoder) {
		e.Template(export.Rate(netflow.IPFIX, 300))
		e.Values(export.Rate(netflow.IPFIX, 300), 7, 100, 2)
	}
	for _, p := range []metertest.Packet{
		e.send(0, options, 1), e.send(0, func(e *export.Encoder) { e.Template(export.IPFIXv4(256)) }, 0), e.send(2*time.Minute, ipfix, 1),
	} {
		b.restart(t)
		b.feed(t, p)
	}
	if u := b.usage(0); u.BytesOutL2 != 600_000 {
		t.Errorf("%+v", u)
	}
	if l := b.loss(); l.RecordsLost != 0 || l.Restarts != 0 {
		t.Errorf("%+v", l)
	}
}

// In whatever order the datagrams come, with whatever repeats, the bill is the same.
func TestOrderOfFlowDatagramsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		e := flowExporter{version: netflow.Version9}
		packets := []metertest.Packet{e.send(0, template, 1)}
		for range rapid.IntRange(1, 30).Draw(r, "datagrams") {
			var all []netflow.Record
			for range rapid.IntRange(1, 4).Draw(r, "records") {
				f := flowRecord()
				f.Bytes = rapid.Uint64Range(1, 1e6).Draw(r, "bytes")
				f.StartAge = time.Duration(rapid.Int64Range(10, 300).Draw(r, "age")) * time.Second
				all = append(all, f)
			}
			packets = append(packets, e.send(time.Duration(rapid.Int64Range(300, 900).Draw(r, "after"))*time.Second, records(all...), 1))
		}
		plain, mixed := newBench(t, ownership.Ingress), newBench(t, ownership.Ingress)
		plain.exporter.RateDefault, mixed.exporter.RateDefault = 10, 10
		plain.feed(t, packets...)
		repeats := rapid.SliceOfN(rapid.SampledFrom(packets), 0, 10).Draw(r, "repeats")
		for chunk := range slices.Chunk(slices.Concat(rapid.Permutation(packets).Draw(r, "order"), repeats), rapid.IntRange(1, 9).Draw(r, "envelope")) {
			mixed.feed(t, chunk...)
		}
		if diff := cmp.Diff(plain.totals(), mixed.totals()); diff != "" {
			r.Fatal(diff)
		}
	})
}
