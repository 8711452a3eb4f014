package sflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func addresses() cmp.Option { return cmpopts.EquateComparable(netip.Addr{}) }

func TestDecodeEverything(t *testing.T) {
	t.Parallel()
	for _, agent := range []netip.Addr{agent4(), agent6()} {
		for _, name := range []string{Builtin, Goflow2} {
			d, err := New(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(everything(agent)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := header(agent)
			want.SampleCount = 7
			if diff := cmp.Diff(want, d.Header, addresses()); diff != "" {
				t.Errorf("%s: header (-want +got):\n%s", name, diff)
			}
			if diff := cmp.Diff(wantFlows(), d.Flows, addresses()); diff != "" {
				t.Errorf("%s: flows (-want +got):\n%s", name, diff)
			}
			if diff := cmp.Diff([]CounterSample{reading(), reading()}, d.Counters); diff != "" {
				t.Errorf("%s: counters (-want +got):\n%s", name, diff)
			}
			if d.CounterSamples != 2 || d.Discards != 1 || d.Unknown != 1 || d.Rejected != 0 || d.Skipped != 2 || d.Trailing != 0 {
				t.Errorf("%s: %+v", name, d.Datagram)
			}
		}
	}
}

func wantFlows() []FlowSample {
	one, two, three := sample(1), sample(2), sample(3)
	v4, v6 := frameIPv4(), frameIPv6()
	one.HasIP, one.Src, one.Dst, one.Protocol, one.FrameLength, one.IPLength = true, v4.Src, v4.Dst, 6, 1018, 1000
	two.HasIP, two.Src, two.Dst, two.Protocol, two.FrameLength, two.IPLength = true, v6.Src, v6.Dst, 17, 1226, 1200
	three.FrameLength = 100
	return []FlowSample{one, two, three}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	set := func(at int, v uint32) []byte {
		b := everything(agent4())
		binary.BigEndian.PutUint32(b[at:], v)
		return b
	}
	for name, tc := range map[string]struct {
		input []byte
		want  Code
	}{
		"nothing":               {nil, ErrTruncated},
		"four bytes":            {[]byte{0, 0, 0, 5}, ErrTruncated},
		"version 4":             {set(0, 4), ErrVersion},
		"version 2^32-1":        {set(0, 1<<32-1), ErrVersion},
		"agent of unknown type": {set(4, 0), ErrAgent},
		"agent of type 3":       {set(4, 3), ErrAgent},
		"IPv6 agent cut":        {set(4, 2)[:36], ErrTruncated},
		"one sample too many":   {set(24, 8), ErrTruncated},
		"2^32-1 samples":        {set(24, 1<<32-1), ErrTruncated},
		"2^29 samples":          {set(24, 1<<29), ErrTruncated},
		"sample length 2^32-1":  {set(32, 1<<32-1), ErrTruncated},
		"sample length 2^31":    {set(32, 1<<31), ErrTruncated},
		"65536 bytes":           {append(everything(agent4()), make([]byte, 65536)...)[:65536], ErrOversized},
	} {
		for _, decoder := range []string{Builtin, Goflow2} {
			d, err := New(decoder)
			if err != nil {
				t.Fatal(err)
			}
			err = d.Decode(tc.input)
			if !errors.Is(err, tc.want) || Reason(fmt.Errorf("wrapped: %w", err)) != tc.want.Error() {
				t.Errorf("%s, %s: error %v, want %v", name, decoder, err, tc.want)
			}
			checkResult(t, d, tc.input, err)
		}
	}
}

// TestCutAnywhere holds that a datagram counts whole or not at all.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{everything(agent4()), everything(agent6()), sevenFlows()} {
		var d Decoder
		for n := range b {
			err := d.Decode(b[:n:n])
			if err != ErrTruncated {
				t.Fatalf("cut at %d of %d: %v", n, len(b), err)
			}
			checkResult(t, &d, b[:n], err)
		}
		long := append(bytes.Clone(b), 1, 2, 3)
		if err := d.Decode(long); err != nil || d.Trailing != 3 || int(d.SampleCount) != 7 {
			t.Fatalf("three bytes more: %v, trailing %d", err, d.Trailing)
		}
	}
}

func TestEachBitFlipped(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{everything(agent4()), everything(agent6())} {
		var d Decoder
		reference, err := New(Goflow2)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			checkResult(t, &d, b, d.Decode(b))
			checkResult(t, reference, b, reference.Decode(b))
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// TestBadSampleCostsItself breaks the middle one of three samples in different ways.
func TestBadSampleCostsItself(t *testing.T) {
	t.Parallel()
	raw := func(words ...uint32) []byte {
		var b []byte
		for _, w := range words {
			b = binary.BigEndian.AppendUint32(b, w)
		}
		return b
	}
	for name, tc := range map[string]struct {
		format uint32
		body   []byte
		want   Code
	}{
		"empty flow":                    {formatFlow, nil, ErrSample},
		"flow cut":                      {formatFlow, make([]byte, 28), ErrSample},
		"expanded flow cut":             {formatExpandedFlow, make([]byte, 40), ErrSample},
		"discard empty":                 {formatDiscard, nil, ErrSample},
		"discard cut":                   {formatDiscard, make([]byte, 28), ErrSample},
		"counter cut":                   {formatCounter, make([]byte, 8), ErrSample},
		"expanded counter cut":          {formatExpandedCounter, make([]byte, 12), ErrSample},
		"2^32-1 records":                {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1<<32-1), ErrRecord},
		"2^32-1 expanded records":       {formatExpandedFlow, raw(1, 0, 7, 9, 9, 0, 0, 7, 0, 8, 1<<32-1), ErrRecord},
		"2^32-1 counter records":        {formatCounter, raw(1, 7, 1<<32-1), ErrRecord},
		"record longer than sample":     {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1001, 20, 0, 0), ErrRecord},
		"record of 2^32-1":              {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1001, 1<<32-1, 0, 0), ErrRecord},
		"second record missing":         {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 2, 1001, 8, 0, 0), ErrRecord},
		"raw header record cut":         {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1, 12, 1, 64, 4), ErrRecord},
		"header longer than record":     {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1, 20, 1, 64, 4, 5, 0), ErrHeader},
		"header of 2^32-1":              {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1, 20, 1, 64, 4, 1<<32-1, 0), ErrHeader},
		"frame length 0":                {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1, 20, 1, 0, 4, 4, 0), ErrFrameLength},
		"frame length absurd":           {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 1, 20, 1, maxFrameBytes+1, 4, 4, 0), ErrFrameLength},
		"sampled_ethernet cut":          {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 2, 16, 64, 0, 0, 0), ErrRecord},
		"sampled_ethernet of 0":         {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 2, 24, 0, 0, 0, 0, 0, 0), ErrFrameLength},
		"sampled_ipv4 cut":              {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 3, 16, 64, 0, 0, 0), ErrRecord},
		"sampled_ipv6 cut":              {formatFlow, raw(1, 7, 9, 9, 0, 7, 8, 1, 4, 16, 64, 0, 0, 0), ErrRecord},
		"interface counters cut":        {formatCounter, raw(1, 7, 1, 1, 16, 0, 0, 0, 0), ErrRecord},
		"counter record too long":       {formatCounter, raw(1, 7, 1, 2, 24, 0, 0, 0, 0), ErrRecord},
		"second counter record missing": {formatExpandedCounter, raw(1, 0, 7, 2, 2, 8, 0, 0), ErrRecord},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e Encoder
			e.Start(header(agent4()))
			addFlow(&e, sample(1), frameIPv4(), false)
			e.Sample(tc.format, tc.body)
			addFlow(&e, sample(3), frameIPv4(), true)
			b := e.Finish()
			d := decode(t, b)
			checkResult(t, d, b, nil)
			if len(d.Flows) != 2 || d.Rejected != 1 || d.Rejects[tc.want] != 1 {
				t.Errorf("%d samples, rejects %v; want 2 and one %v", len(d.Flows), d.Rejects, tc.want)
			}
		})
	}
}

// TestPadding reads records and samples of uneven length, with XDR's padding and, at the end, without.
func TestPadding(t *testing.T) {
	t.Parallel()
	var e Encoder
	e.Start(header(agent4()))
	s := sample(1)
	e.Flow(&s, false)
	e.Record(1038, []byte("abcde"))
	e.RawHeader(headerEthernet, 64, 4, make([]byte, 15))
	body := bytes.Clone(e.Finish()[36:])
	e.Start(header(agent4()))
	e.Sample(formatDiscard, make([]byte, 32))
	e.Sample(formatFlow, body)
	b := e.Finish()
	if d := decode(t, b); len(d.Flows) != 1 || d.Flows[0].FrameLength != 64 || d.Skipped != 1 {
		t.Errorf("padded: %+v", d.Datagram)
	}
	end := len(b) - 1
	at := end - len(body) - 3 // the sample's length
	binary.BigEndian.PutUint32(b[at:], uint32(len(body)-1))
	if d := decode(t, b[:end]); d.Rejects[ErrRecord] != 1 {
		t.Errorf("record one byte longer than its sample: %+v", d.Datagram)
	}
}

func TestJumboDatagram(t *testing.T) {
	t.Parallel()
	var e Encoder
	e.Start(header(agent6()))
	n := 0
	for ; e.Len() < 8900; n++ {
		addFlow(&e, sample(uint32(n)), frameIPv6(), true)
	}
	d := decode(t, e.Finish())
	if len(d.Flows) != n || d.Rejected != 0 {
		t.Errorf("%d samples of %d, %d rejected", len(d.Flows), n, d.Rejected)
	}
}

// TestNoAllocation holds that a decoder that has seen its traffic allocates nothing, whatever comes.
func TestNoAllocation(t *testing.T) {
	var d Decoder
	inputs := [][]byte{everything(agent4()), everything(agent6()), sevenFlows(), nil, sevenFlows()[:100]}
	allocs := testing.AllocsPerRun(100, func() {
		for _, b := range inputs {
			_ = d.Decode(b)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a run", allocs)
	}
	var e Encoder
	c, f, frame := reading(), sample(1), frameIPv4()
	h := frame.AppendHeader(nil)
	allocs = testing.AllocsPerRun(100, func() {
		e.Start(header(agent4()))
		e.Flow(&f, false)
		e.RawHeader(headerEthernet, 1018, 4, h)
		e.Counters(&c, true)
		_ = e.Finish()
	})
	if allocs != 0 {
		t.Errorf("%v allocations a datagram encoded", allocs)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"unknown": true}
	for _, c := range Codes() {
		if seen[Reason(c)] {
			t.Errorf("code %d has no text of its own: %q", c, Reason(c))
		}
		seen[Reason(c)] = true
	}
	if Reason(nil) != "unknown" || Reason(errors.New("other")) != "unknown" {
		t.Error("a reason where there is none")
	}
	if _, err := New("other"); err == nil {
		t.Error("a decoder of an unknown name")
	}
}

// TestRoundTrip encodes arbitrary samples and decodes them again.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var e Encoder
		agent := rapid.SampledFrom([]netip.Addr{agent4(), agent6(), netip.MustParseAddr("::ffff:192.0.2.7")}).Draw(t, "agent")
		h := Header{Agent: agent, SubAgent: rapid.Uint32().Draw(t, "sub"), Sequence: rapid.Uint32().Draw(t, "seq"), Uptime: rapid.Uint32().Draw(t, "uptime")}
		e.Start(h)
		var want []FlowSample
		for range rapid.IntRange(0, 9).Draw(t, "samples") {
			s := drawSample(t)
			f := frameIPv4()
			f.IPLength = rapid.Uint16Range(28, 1500).Draw(t, "length")
			addFlow(&e, s, f, rapid.Bool().Draw(t, "expanded"))
			s.HasIP, s.Src, s.Dst, s.Protocol = true, f.Src, f.Dst, f.Protocol
			s.IPLength, s.FrameLength = uint32(f.IPLength), uint32(f.IPLength)+18
			want = append(want, s)
		}
		var d Decoder
		if err := d.Decode(e.Finish()); err != nil {
			t.Fatal(err)
		}
		h.SampleCount = uint32(len(want))
		if diff := cmp.Diff(h, d.Header, addresses()); diff != "" {
			t.Fatalf("header (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, d.Flows, addresses(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("flows (-want +got):\n%s", diff)
		}
	})
}

// drawSample keeps to what the narrower encoding can hold.
func drawSample(t *rapid.T) FlowSample {
	index, number := rapid.Uint32Max(1<<24-1), rapid.Uint32()
	face := rapid.Uint32Max(1<<30 - 1)
	return FlowSample{
		Sequence: number.Draw(t, "sequence"), SourceClass: rapid.Uint32Max(255).Draw(t, "class"),
		SourceIndex: index.Draw(t, "index"), Rate: number.Draw(t, "rate"), Pool: number.Draw(t, "pool"),
		Drops: number.Draw(t, "drops"), InputFormat: rapid.Uint32Max(3).Draw(t, "in format"), Input: face.Draw(t, "in"),
		OutputFormat: rapid.Uint32Max(3).Draw(t, "out format"), Output: face.Draw(t, "out"),
	}
}
