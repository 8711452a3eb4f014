package accuracy

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

const (
	pattern      = 100 // packets after which who sends, and how long, repeats
	linkBytes    = 18  // Ethernet header and check sequence
	perDatagram  = 7
	perEnvelope  = 200_000 // bytes
	receivedFrom = int64(1_700_000_000_000_000_000)
)

// lengthsOf are the frame lengths of a mix, each as often as it is there.
func lengthsOf(mix string) ([]uint32, error) {
	switch mix {
	case "internet":
		return []uint32{64, 1518, 576, 1518, 64}, nil
	case "large":
		return []uint32{1518}, nil
	case "jumbo":
		return []uint32{64, 9018}, nil
	}
	return nil, fmt.Errorf("--mix %q: want internet, large or jumbo", mix)
}

// spreadOf is √(mean square / square of the mean).
func spreadOf(lengths []uint32) float64 {
	var sum, squares float64
	for _, l := range lengths {
		sum += float64(l)
		squares += float64(l) * float64(l)
	}
	n := float64(len(lengths))
	return math.Sqrt(squares/n) / (sum / n)
}

// observe runs the trials of one size of class.
func observe(ctx context.Context, o options, lengths []uint32, size int) (Row, error) {
	trials := trialsOf(o, size)
	packets := make([]float64, trials)
	bytes := make([]float64, trials)
	row := Row{Samples: size, Trials: trials, BoundPercent: 196 / math.Sqrt(float64(size))}
	for i := range trials {
		if err := ctx.Err(); err != nil {
			return row, fmt.Errorf("stopped after %d trials: %w", i, err)
		}
		t := trial{random: rand.New(rand.NewPCG(o.seed, uint64(size)<<20|uint64(i))), o: o, lengths: lengths}
		used, truth, err := t.run(size)
		if err != nil {
			return row, err
		}
		bound := 196 / math.Sqrt(float64(max(used.SamplesOut, 1)))
		inPackets, inBytes := off(used.PacketsOut, truth.packets), off(used.BytesOutL2, truth.bytes)
		packets[i], bytes[i] = math.Abs(inPackets), math.Abs(inBytes)
		row.BiasPercent += inBytes / float64(trials)
		row.PacketsWithinPercent += share(within(used.PacketsOut, truth.packets, bound), trials)
		row.BytesWithinPercent += share(within(used.BytesOutL2, truth.bytes, bound), trials)
		row.LowerBoundPercent += share(float64(used.BytesOutL2)*(1-bound/100) <= float64(truth.bytes), trials)
	}
	row.PacketsErrorPercent, row.BytesErrorPercent = percentile95(packets), percentile95(bytes)
	return row, nil
}

func off(estimate, truth int64) float64 { return 100 * (float64(estimate)/float64(truth) - 1) }

// within tells whether the truth lies inside the bound around the estimate, as the bill says it.
func within(estimate, truth int64, bound float64) bool {
	return math.Abs(float64(truth-estimate)) <= bound/100*float64(estimate)
}

func share(yes bool, of int) float64 {
	if yes {
		return 100 / float64(of)
	}
	return 0
}

// truth is what the service really sent.
type truth struct{ packets, bytes int64 }

// trial is one switch, one port, one meter.
type trial struct {
	o       options
	lengths []uint32
	random  *rand.Rand
	decay   float64              // logarithm of the chance that a packet is not taken
	frames  [2]map[uint32][]byte // headers by whose they are and their length

	counter  *count.Counter
	encoder  sflow.Encoder
	writer   envelope.Writer
	exporter uuid.UUID
	sequence uint32
	samples  uint32
	waiting  int // samples in the open datagram
	sealed   uint64
}

// run sends as many packets past the switch as give size samples of the service on average.
func (t *trial) run(size int) (count.Usage, truth, error) {
	if err := t.prepare(); err != nil {
		return count.Usage{}, truth{}, err
	}
	total := int64(size) * int64(t.o.rate) * 100 / int64(t.o.share)
	for n := t.skip() - 1; n < total; n += t.skip() {
		if err := t.sample(n); err != nil {
			return count.Usage{}, truth{}, err
		}
	}
	if err := t.finish(); err != nil {
		return count.Usage{}, truth{}, err
	}
	var used count.Usage
	t.counter.Tally.Each(func(_ int32, _ count.Column, u *count.Usage) { used.Add(u) })
	return used, t.truth(total), nil
}

// skip is how far the next sampled packet is: each packet is taken with chance 1/rate.
func (t *trial) skip() int64 {
	if t.o.rate == 1 {
		return 1
	}
	return 1 + int64(math.Log(1-t.random.Float64())/t.decay)
}

// mine tells whether packet n is the service's, and how long it is. Neighbours of the pattern are not neighbours in time for
// a sampler that skips hundreds, so their order does not matter.
func (t *trial) mine(n int64) (bool, uint32) {
	return int(n%pattern) < t.o.share, t.lengths[n/pattern%int64(len(t.lengths))]
}

// truth counts the service's packets among the first total.
func (t *trial) truth(total int64) (sum truth) {
	round := int64(pattern * len(t.lengths))
	for n := range round {
		if ours, length := t.mine(n); ours {
			times := total / round
			if n < total%round {
				times++
			}
			sum.packets, sum.bytes = sum.packets+times, sum.bytes+times*int64(length)
		}
	}
	return sum
}

func (t *trial) addresses() (ours, other, world netip.Addr) {
	return netip.AddrFrom4([4]byte{10, 0, 0, 1}), netip.AddrFrom4([4]byte{10, 0, 0, 2}), netip.AddrFrom4([4]byte{198, 51, 100, 1})
}

func (t *trial) prepare() error {
	ours, _, _ := t.addresses()
	table, err := prefix.New([]prefix.Assignment{{Prefix: netip.PrefixFrom(ours, 32), To: prefix.Forever}})
	if err != nil {
		return err
	}
	t.decay = math.Log1p(-1 / float64(t.o.rate))
	t.frames = [2]map[uint32][]byte{{}, {}}
	t.exporter = uuid.New()
	t.counter = count.New(track.NewBook(), &sflow.Decoder{})
	t.counter.Use(&ownership.Snapshot{Exporters: map[uuid.UUID]*ownership.Exporter{t.exporter: {ID: t.exporter, RateMin: 1, RateMax: math.MaxUint32}}, Prefixes: table})
	t.open()
	return nil
}

func (t *trial) open() {
	t.writer.Reset(nil, envelope.Header{Collector: t.exporter, Boot: 1, Exporter: t.exporter}, perEnvelope)
}

// sample puts packet n into a datagram, and a full datagram on its way.
func (t *trial) sample(n int64) error {
	if t.waiting == 0 {
		_, _, world := t.addresses()
		t.encoder.Start(sflow.Header{Agent: world, Sequence: t.sequence, Uptime: t.sequence})
		t.sequence++
	}
	ours, length := t.mine(n)
	t.samples++
	t.encoder.Flow(&sflow.FlowSample{Sequence: t.samples, SourceIndex: 1, Rate: t.o.rate, Input: 1, Output: 2}, false)
	t.encoder.RawHeader(1, length, 4, t.frame(ours, length))
	if t.waiting++; t.waiting == perDatagram {
		return t.send()
	}
	return nil
}

// frame is the header of a packet of the service, or of somebody else.
func (t *trial) frame(ours bool, length uint32) []byte {
	source, other, world := t.addresses()
	whose := 0
	if !ours {
		whose, source = 1, other
	}
	header, ok := t.frames[whose][length]
	if !ok {
		frame := sflow.Frame{Src: source, Dst: world, IPLength: uint16(length - linkBytes)}
		header = frame.AppendHeader(nil)
		t.frames[whose][length] = header
	}
	return header
}

func (t *trial) send() error {
	t.waiting = 0
	_, _, world := t.addresses()
	d := envelope.Datagram{Received: receivedFrom, Source: netip.AddrPortFrom(world, 6343), Protocol: envelope.ProtocolSFlow, Payload: t.encoder.Finish()}
	if t.writer.Append(d) {
		return nil
	}
	if err := t.seal(); err != nil {
		return err
	}
	t.writer.Append(d)
	return nil
}

func (t *trial) seal() error {
	t.sealed++
	o, err := t.counter.Envelope(t.writer.Seal(t.sealed), int64(t.sealed))
	if err != nil {
		return fmt.Errorf("the meter refused an envelope: %w", err)
	}
	if o.Kind != count.Counted {
		return fmt.Errorf("the meter did not count an envelope: it took it for kind %d", o.Kind)
	}
	t.open()
	return nil
}

func (t *trial) finish() error {
	if t.waiting > 0 {
		if err := t.send(); err != nil {
			return err
		}
	}
	return t.seal()
}
