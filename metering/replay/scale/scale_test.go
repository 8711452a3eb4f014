package scale_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/document"
	"github.com/ezscale/platform/metering/replay/scale"
)

func sample(rate uint32, packets, bytes uint64, frames ...uint64) document.Record {
	return document.Record{SFlow: true, Frames: frames, Flow: envelope.Flow{Rate: rate, Packets: packets, BytesL2: bytes, BytesL3: bytes}}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	good := sample(512, 512, 512*1000, 1000)
	for name, c := range map[string]struct {
		before []document.Record
		one    document.Record
		want   scale.Verdict
	}{
		"scaled":                      {nil, good, scale.Good},
		"IP length and its frame":     {nil, sample(512, 512, 512*1018, 1000), scale.Good},
		"no length to compare":        {nil, sample(512, 512, 99), scale.Good},
		"not scaled":                  {nil, sample(512, 512, 1000, 1000), scale.Stopped},
		"scaled twice":                {nil, sample(512, 512, 512*512*1000, 1000), scale.Stopped},
		"packets not scaled":          {nil, sample(512, 1, 512*1000, 1000), scale.Stopped},
		"not scaled at the least":     {nil, sample(2, 2, 64, 64), scale.Stopped},
		"one odd among good ones":     {many(good, 200), sample(512, 512, 1000, 1000), scale.Mismatch},
		"good after one odd":          {append(many(good, 200), sample(512, 512, 1000, 1000)), good, scale.Good},
		"unsampled":                   {nil, sample(1, 1, 1000, 1000), scale.Good},
		"rate not known, no evidence": {nil, sample(0, 1, 1000), scale.Good},
		"rate 1 of one that samples":  {many(good, 1), sample(1, 1, 1000, 1000), scale.RateUnknown},
		"rate 0 of one that samples":  {many(good, 1), sample(0, 1, 1000, 1000), scale.RateUnknown},
		"a record of NetFlow":         {nil, document.Record{Flow: envelope.Flow{Rate: 100, Packets: 3, BytesL2: 7}}, scale.Good},
	} {
		var b scale.Book
		for _, r := range append(c.before, c.one) {
			b.Learn(r, name)
		}
		if got := b.Judge(c.one); got != c.want {
			t.Errorf("%s: %q, want %q (%+v)", name, got, c.want, b)
		}
		b.Trusted = true
		if got := b.Judge(c.one); got != scale.Good {
			t.Errorf("%s, trusted: %q", name, got)
		}
	}
}

func many(r document.Record, n int) []document.Record {
	all := make([]document.Record, n)
	for i := range all {
		all[i] = r
	}
	return all
}

// Whatever the packet and the rate: scaled once passes; not at all, or twice, stops.
func TestOffByTheRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Uint32Range(2, 1<<20).Draw(t, "rate")
		frame := rapid.Uint64Range(64, 9216).Draw(t, "frame")
		once := uint64(rate) * frame
		for _, c := range []struct {
			bytes uint64
			want  scale.Verdict
		}{{once, scale.Good}, {frame, scale.Stopped}, {once * uint64(rate), scale.Stopped}} {
			var b scale.Book
			r := sample(rate, uint64(rate), c.bytes, frame)
			b.Learn(r, "")
			if got := b.Judge(r); got != c.want {
				t.Fatalf("%d bytes: %q, want %q", c.bytes, got, c.want)
			}
		}
	})
}
