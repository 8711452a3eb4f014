package meter_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/meter"
	"github.com/ezscale/platform/metering/meter/metertest"
)

// BenchmarkMeterPipeline is Kafka to counters in Postgres, windows emitted: what this process spends, the broker and
// Postgres told apart by being other processes. Datagrams have seven samples and the size of a switch's, an
// eighty-thousandth of a second apart. EZSCALE_BENCH_DATAGRAMS makes it longer.
func BenchmarkMeterPipeline(b *testing.B) {
	for _, services := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) { benchmarkPipeline(b, services) })
	}
}

func benchmarkPipeline(b *testing.B, services int) {
	datagrams := 160_000
	if n, err := strconv.Atoi(os.Getenv("EZSCALE_BENCH_DATAGRAMS")); err == nil {
		datagrams = n
	}
	w := newWorld(b, 1, 0)
	w.forget = true
	w.exec(`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at)
		select gen_random_uuid(), 'svc-' || i, $1, $2, '2026-01-01', 1, now() from generate_series(0, $3 - 1) i`, w.customer, w.plan, services)
	w.exec(`insert into assignment (id, prefix, service_id, valid)
		select gen_random_uuid(), set_masklen('10.0.0.0'::inet + substr(name, 5)::bigint, 32), id, '[2026-01-01,)' from service`)
	w.exec(`insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, quota_bytes, byte_basis, direction, thresholds, currency)
		select gen_random_uuid(), id, plan_id, '2026-03-01', '2026-04-01', 'open', 1e15, 'l2', 'sum', '{75,90,100}', 'USD' from service`)
	var spent time.Duration
	last := uint32(0)
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		last = fill(w, services, datagrams, last)
		runtime.GC()
		before := cpuTime()
		b.StartTimer()
		cfg := meter.Config{Partitions: []int{0}, Topic: w.topic, UsageTopic: w.usageTopic, Now: time.Now}
		_, stop := w.start(cfg)
		w.awaitCounted()
		stop()
		spent += cpuTime() - before
	}
	samples := float64(one[int64](w, "select sum(samples) from loss_hourly"))
	b.ReportMetric(samples/spent.Seconds(), "samples/CPU-s")
	b.ReportMetric(float64(spent.Nanoseconds())/samples, "CPU-ns/sample")
}

// fill puts datagrams into the log that follow the sequence last.
func fill(w *world, services, datagrams int, last uint32) uint32 {
	random := rand.New(rand.NewPCG(1, 2))
	for done := 0; done < datagrams; {
		var packets []metertest.Packet
		for range min(200, datagrams-done) {
			last++
			d := metertest.Datagram{Agent: agentOf(0), Sequence: last, Uptime: last}
			for i := range uint32(7) {
				n := random.IntN(services)
				s := metertest.Sample{
					Sequence: last*7 + i, Source: 1, Rate: 1000, Input: 1, Output: 2, FrameLength: 1000, IPLength: 982,
					Src: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Dst: netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}),
				}
				if n%2 == 0 {
					s.Src, s.Dst = s.Dst, s.Src
				}
				d.Samples = append(d.Samples, s)
			}
			packets = append(packets, metertest.SFlow(epoch.UnixNano()+int64(last)*12_500, d))
		}
		done += len(packets)
		w.send(w.collector.Envelopes(w.exporters[0], packets...)...)
	}
	return last
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
