package collector_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/collector"
)

const (
	senderVariable  = "EZSCALE_BENCH_SENDER" // address,count,rate
	benchSize       = 870                    // bytes, 7 samples
	samplesEach     = 7
	benchRate       = 80_000 // datagrams a second
	senderBatch     = 64
	senderAddresses = 4
)

// TestMain lets this program be another process of a test.
func TestMain(m *testing.M) {
	for name, other := range map[string]func(string) error{senderVariable: sendFor, victimVariable: beVictim} {
		if task := os.Getenv(name); task != "" {
			if err := other(task); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(m.Run())
}

// sendFor is the other process of the benchmark, so that its CPU time is told apart.
func sendFor(task string) error {
	var address string
	var count, rate int
	if _, err := fmt.Sscanf(task, "%s %d %d", &address, &count, &rate); err != nil {
		return err
	}
	var conns []*ipv4.PacketConn
	for i := range senderAddresses {
		dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 20, byte(i+1))}}
		conn, err := dialer.Dial("udp4", address)
		if err != nil {
			return err
		}
		conns = append(conns, ipv4.NewPacketConn(conn.(*net.UDPConn)))
	}
	batch := make([]ipv4.Message, senderBatch)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, benchSize)}
	}
	begun := time.Now()
	for sent, turn := 0, 0; sent < count; turn++ {
		n, err := conns[turn%len(conns)].WriteBatch(batch[:min(senderBatch, count-sent)], 0)
		if err != nil {
			return err
		}
		sent += n
		time.Sleep(time.Until(begun.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
	}
	return nil
}

// nowhere takes everything at once: what is measured is the way to it.
type nowhere struct{ bytes atomic.Int64 }

func (n *nowhere) Produce(_ context.Context, _ string, _ int, msgs []kafka.Message) (int64, error) {
	for _, m := range msgs {
		n.bytes.Add(int64(len(m.Value)))
	}
	return 0, nil
}

func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCollector receives b.N datagrams at 80,000 a second from another process over loopback. CPU time is of
// the collector's process alone; the broker runs elsewhere.
func BenchmarkCollector(b *testing.B) {
	d := func() *directory { return exporters(exporter(1, "127.0.20.0/30"), exporter(2, "127.0.20.4/32")) }
	b.Run("receive", func(b *testing.B) {
		r := &rig{topic: "nowhere"}
		benchmark(b, r.start(b, collector.Config{}, &nowhere{}, d()))
	})
	b.Run("kafka", func(b *testing.B) { benchmark(b, newRig(b, collector.Config{}, d())) })
}

func benchmark(b *testing.B, r *rig) {
	sender := exec.Command(os.Args[0])
	sender.Env = append(os.Environ(), senderVariable+"="+r.Addrs()[0].String()+" "+strconv.Itoa(b.N)+" "+strconv.Itoa(benchRate))
	sender.Stderr = os.Stderr
	before := cpu(b)
	b.ResetTimer()
	if err := sender.Run(); err != nil {
		b.Fatal(err)
	}
	eventually(b, "everything received or dropped, and sent on", func() bool {
		return r.metric(b, "datagrams_total")+r.metric(b, "kernel_drops_total") >= float64(b.N) && r.metric(b, "queue_bytes") == 0
	})
	spent := cpu(b) - before
	var peak unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &peak); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "cpu-ns/datagram")
	b.ReportMetric(samplesEach*float64(b.N)/spent.Seconds()/1e6, "Msamples/cpu-s")
	b.ReportMetric(r.metric(b, "kernel_drops_total"), "drops")
	b.ReportMetric(float64(peak.Maxrss)/1024, "peak-MiB")
}
