package count_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/ownership"
)

// totals are what a bill is made of, and the loss that is printed on it.
type totals struct {
	Usage     map[int64]map[int32]count.Usage // by slot and service
	Datagrams int64
	Lost      int64
	Samples   int64
}

func (b *bench) totals() totals {
	sum := totals{Usage: map[int64]map[int32]count.Usage{}}
	b.Tally.Each(func(service int32, c count.Column, u *count.Usage) {
		if sum.Usage[c.Slot] == nil {
			sum.Usage[c.Slot] = map[int32]count.Usage{}
		}
		sum.Usage[c.Slot][service] = *u
	})
	for _, l := range b.Tally.Losses {
		sum.Datagrams, sum.Lost, sum.Samples = sum.Datagrams+l.Datagrams, sum.Lost+l.DatagramsLost, sum.Samples+l.Samples
	}
	return sum
}

// Replaying, duplicating, reordering or delaying the same datagrams within the window never changes a bill.
func TestOrderRepeatsAndDelayDoNotChangeTotals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		packets := drawPackets(r)
		plain, mixed := newBench(t, ownership.Ingress), newBench(t, ownership.Ingress)
		plain.feed(t, packets...)
		shuffled := rapid.Permutation(packets).Draw(r, "order")
		repeats := rapid.SliceOfN(rapid.SampledFrom(packets), 0, 20).Draw(r, "repeats")
		for i := range repeats {
			repeats[i].Received += rapid.Int64Range(0, 3e9).Draw(r, "delay")
		}
		all := slices.Concat(shuffled, repeats)
		for chunk := range slices.Chunk(all, rapid.IntRange(1, 30).Draw(r, "envelope")) {
			mixed.feed(t, chunk...)
		}
		if diff := cmp.Diff(plain.totals(), mixed.totals()); diff != "" {
			r.Fatal(diff)
		}
		if d := mixed.loss().DatagramsDuplicate; d > int64(len(repeats)) {
			r.Fatalf("%d duplicates of %d repeats", d, len(repeats))
		}
	})
}

// drawPackets are datagrams of two agents over half a minute, with gaps in their sequences.
func drawPackets(r *rapid.T) []metertest.Packet {
	var packets []metertest.Packet
	addresses := rapid.SampledFrom([]netip.Addr{one, two, world})
	for _, a := range []netip.Addr{agent, netip.MustParseAddr("2001:db8::99")} {
		seq := rapid.Uint32().Draw(r, "first")
		for i := range rapid.IntRange(1, 60).Draw(r, "datagrams") {
			if rapid.IntRange(0, 9).Draw(r, "lost") == 0 {
				seq++
			}
			seq++
			var samples []metertest.Sample
			for range rapid.IntRange(0, 3).Draw(r, "samples") {
				samples = append(samples, sample(uint32(i), 1, addresses.Draw(r, "src"), addresses.Draw(r, "dst")))
			}
			packets = append(packets, metertest.SFlow(at+int64(i)*5e8, metertest.Datagram{Agent: a, Sequence: seq, Uptime: uint32(i), Samples: samples}))
		}
	}
	return packets
}

// A restart never loses: what an agent sends after any number of reboots is counted in full.
func TestRestartsNeverLoseUsage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t, ownership.Ingress)
		sent := int64(0)
		for boot := range rapid.IntRange(1, 4).Draw(r, "boots") {
			for i := range rapid.IntRange(1, 50).Draw(r, "datagrams") {
				s := sample(uint32(i), 1, one, world)
				s.FrameLength += uint32(boot) // the same packet is not sent again
				b.feed(t, datagram(uint32(i), s))
				sent++
			}
		}
		if got := b.usage(0).SamplesOut; got != sent {
			r.Fatalf("counted %d of %d", got, sent)
		}
	})
}
