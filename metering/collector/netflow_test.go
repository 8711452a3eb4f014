package collector_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

// datagrams reads an exporter's datagrams, repeats left out, until enough says so.
func (r *rig) datagrams(t testing.TB, exporter byte, take func(envelope.Datagram), enough func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	reader := r.reader(ctx, t, events.Partition(events.VirtualShard(uuid.UUID{15: exporter}), events.FlowPartitions))
	defer reader.Close()
	last := uint64(0)
	for !enough() {
		_, err := reader.Fetch(ctx, 100*time.Millisecond, func(rec kafka.Record) error {
			h, body, err := envelope.Parse(rec.Value)
			if err != nil || h.Sequence <= last || h.Exporter != (uuid.UUID{15: exporter}) {
				return err
			}
			last = h.Sequence
			for d, ok := body.Next(); ok; d, ok = body.Next() {
				take(d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestProtocolIsOfThePort holds that a datagram is taken to be what its port was configured for, whatever is in it.
func TestProtocolIsOfThePort(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{Sockets: 2, ListenNetFlow: []string{"127.0.0.1:0", "127.0.0.1:0"}}, exporters(exporter(1, "127.0.1.1/32")))
	addrs := r.Addrs()
	if len(addrs) != 3 {
		t.Fatalf("listening on %v", addrs)
	}
	want := map[string]envelope.Protocol{"sflow": envelope.ProtocolSFlow, "netflow": envelope.ProtocolNetFlow, "ipfix": envelope.ProtocolNetFlow}
	for i, text := range []string{"sflow", "netflow", "ipfix"} {
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 1, 1)}, net.UDPAddrFromAddrPort(addrs[i]))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]envelope.Protocol{}
	r.datagrams(t, 1, func(d envelope.Datagram) {
		got[string(d.Payload)] = d.Protocol
		if d.Source.Addr() != netip.MustParseAddr("127.0.1.1") {
			t.Errorf("%s is from %v", d.Payload, d.Source)
		}
	}, func() bool { return len(got) == len(want) })
	for text, protocol := range want {
		if got[text] != protocol {
			t.Errorf("%s came as protocol %d, want %d", text, got[text], protocol)
		}
	}
}

// TestOnlyNetFlow holds that a collector needs no sFlow address, but one of either.
func TestOnlyNetFlow(t *testing.T) {
	t.Parallel()
	r := newRig(t, collector.Config{Listen: []string{}, ListenNetFlow: []string{"127.0.0.1:0"}}, exporters(exporter(1, "127.0.1.1/32")))
	if len(r.Addrs()) != 1 {
		t.Errorf("listening on %v", r.Addrs())
	}
	none := collector.New(collector.Config{}, collector.Dependencies{Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	if err := none.Start(t.Context()); err == nil {
		t.Error("started without an address")
	}
}
