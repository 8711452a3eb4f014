package count_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/prefix"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/meter/track"
	"github.com/ezscale/platform/metering/sflow"
)

const samplesPerDatagram = 7

// BenchmarkMeter is a batch in memory to counters: everything but Kafka and Postgres. One op is one sample.
func BenchmarkMeter(b *testing.B) {
	for _, decoder := range []string{sflow.Builtin, sflow.Goflow2} {
		for _, services := range []int{10, 10_000, 200_000} {
			b.Run(fmt.Sprintf("decoder=%s/services=%d", decoder, services), func(b *testing.B) { benchmarkMeter(b, decoder, services) })
		}
	}
}

func benchmarkMeter(b *testing.B, name string, services int) {
	decoder, err := sflow.New(name)
	if err != nil {
		b.Fatal(err)
	}
	e := &ownership.Exporter{ID: uuid.New(), RateMax: 1_000_000}
	c := count.New(track.NewBook(), decoder)
	c.Use(&ownership.Snapshot{Exporters: ofExporter(e), Prefixes: manyPrefixes(b, services)})
	collector := metertest.Collector{ID: uuid.New()}
	envelopes := collector.Envelopes(e.ID, manyPackets(services, 20_000)...)
	b.ReportAllocs()
	b.ResetTimer()
	done, before := 0, cpuTime()
	for done < b.N {
		c.Book = track.NewBook() // or all would be repeats
		for _, value := range envelopes {
			if _, err := c.Envelope(value, 1); err != nil {
				b.Fatal(err)
			}
			if c.Tally.Full() {
				done += c.Tally.Samples
				c.Tally.Reset()
			}
		}
		done += c.Tally.Samples
		c.Tally.Reset()
	}
	spent := cpuTime() - before
	b.ReportMetric(float64(spent.Nanoseconds())/float64(done), "CPU-ns/sample")
	b.ReportMetric(float64(done)/spent.Seconds(), "samples/CPU-s")
}

// cpuTime is what the process has spent: on a shared machine the wall clock says little.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func serviceAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func manyPrefixes(b testing.TB, services int) *prefix.Table {
	all := make([]prefix.Assignment, services)
	for i := range all {
		all[i] = prefix.Assignment{Prefix: netip.PrefixFrom(serviceAddress(i), 32), Owner: int32(i), To: prefix.Forever}
	}
	table, err := prefix.New(all)
	if err != nil {
		b.Fatal(err)
	}
	return table
}

// manyPackets are datagrams between services and the outside, over ten seconds.
func manyPackets(services, datagrams int) []metertest.Packet {
	random := rand.New(rand.NewPCG(1, 2))
	packets := make([]metertest.Packet, datagrams)
	seq := uint32(0)
	for i := range packets {
		d := metertest.Datagram{Agent: agent, Sequence: uint32(i)}
		for range samplesPerDatagram {
			seq++
			out := netip.AddrFrom4([4]byte{198, 51, byte(random.Uint32()), byte(random.Uint32())})
			s := sample(seq, 1, serviceAddress(random.IntN(services)), out)
			if random.IntN(2) == 0 {
				s.Src, s.Dst = s.Dst, s.Src
			}
			d.Samples = append(d.Samples, s)
		}
		packets[i] = metertest.SFlow(at+int64(i)*10e9/int64(datagrams), d)
	}
	return packets
}
