package track

import (
	"math"
	"time"

	"github.com/google/uuid"
)

// producerKey is one boot of one collector; it numbers its envelopes on each partition.
type producerKey struct {
	collector uuid.UUID
	boot      int64
}

type producer struct {
	last uint64
	tick int64 // log time of its newest envelope
}

// collector is the last word of a collector on this partition.
type collector struct {
	boot        int64
	watermark   int64 // Unix nanoseconds
	at          int64 // Unix nanoseconds
	kernelDrops int64 // since boot
	spoolDrops  int64
}

// Envelope judges one envelope of a producer: fresh is false for a repeat, gap is the number of envelopes that
// are missing before it. Envelopes of one producer reach the log in order, so anything at or below the last is a
// repeat. at is any time that grows with the log, used to forget old producers.
func (b *Book) Envelope(id uuid.UUID, boot int64, sequence uint64, at int64) (fresh bool, gap uint64) {
	key := producerKey{id, boot}
	p, ok := b.producers[key]
	if !ok {
		if len(b.producers) >= MaxProducers {
			b.forgetProducer()
		}
		b.producers[key] = &producer{last: sequence, tick: at}
		return true, 0
	}
	p.tick = at
	if sequence <= p.last {
		return false, 0
	}
	gap = sequence - p.last - 1
	p.last = sequence
	return true, gap
}

func (b *Book) forgetProducer() {
	var oldest producerKey
	least := int64(math.MaxInt64)
	for key, p := range b.producers {
		if p.tick < least || p.tick == least && key.boot < oldest.boot {
			oldest, least = key, p.tick
		}
	}
	delete(b.producers, oldest)
}

// Report is what a collector says about itself.
type Report struct {
	Collector               uuid.UUID
	Boot                    int64
	At, Watermark           time.Time
	KernelDrops, SpoolDrops int64 // since boot
}

// Report takes a collector's report and gives the drops since the one before. The first report of a boot gives
// all its drops so far; an older boot's gives nothing.
func (b *Book) Report(r Report) (kernelDrops, spoolDrops int64) {
	c, ok := b.collectors[r.Collector]
	if ok && r.Boot < c.boot {
		return 0, 0
	}
	if !ok {
		if len(b.collectors) >= MaxCollectors {
			b.forgetCollector()
		}
		c = &collector{}
		b.collectors[r.Collector] = c
	}
	if c.boot != r.Boot {
		*c = collector{boot: r.Boot}
	}
	kernelDrops, spoolDrops = max(r.KernelDrops-c.kernelDrops, 0), max(r.SpoolDrops-c.spoolDrops, 0)
	c.kernelDrops, c.spoolDrops = r.KernelDrops, r.SpoolDrops
	c.at = max(c.at, r.At.UnixNano())
	c.watermark = max(c.watermark, r.Watermark.UnixNano())
	return kernelDrops, spoolDrops
}

func (b *Book) forgetCollector() {
	var oldest uuid.UUID
	least := int64(math.MaxInt64)
	for id, c := range b.collectors {
		if c.at < least {
			oldest, least = id, c.at
		}
	}
	delete(b.collectors, oldest)
}

// Watermark is the time before which everything received is in the log read so far: the least of the collectors'
// that still report. False when none has reported.
func (b *Book) Watermark() (time.Time, bool) {
	newest := int64(math.MinInt64)
	for _, c := range b.collectors {
		newest = max(newest, c.at)
	}
	least, found := int64(math.MaxInt64), false
	for _, c := range b.collectors {
		if newest-c.at <= int64(collectorSilent) {
			least, found = min(least, c.watermark), true
		}
	}
	return time.Unix(0, least).UTC(), found
}
