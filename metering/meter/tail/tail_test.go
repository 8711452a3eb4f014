package tail_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/metertest"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/recount/recounttest"
	"github.com/ezscale/platform/metering/meter/tail"
)

var at = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func config(w *recounttest.World) tail.Config {
	return tail.Config{Topic: w.Topic, Partitions: 1, Since: at.Add(-time.Hour), Owners: owners.New(w.DB.Pool(postgres.RoleQuery), time.Now).Fresh}
}

// collect takes so many lines and ends.
func collect(t *testing.T, cfg tail.Config, n int) []tail.Line {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var lines []tail.Line
	counts, err := tail.New(cfg, kafkatest.New(t).Brokers).Run(ctx, tail.Handler{Skipped: func(tail.Skipped) { t.Error("skipped") }, Line: func(l *tail.Line) error {
		if lines = append(lines, *l); len(lines) == n {
			return tail.Done()
		}
		return nil
	}})
	if err != nil || len(lines) != n || counts.Lines != int64(n) {
		t.Fatalf("%d lines of %d, %+v, %v", len(lines), n, counts, err)
	}
	return lines
}

func TestLines(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 2, 2)
	w.Send(0, at, w.Packet(0, at, recounttest.Address(0), recounttest.Peer(1), 1000))
	w.Report(at)
	w.Write(at, []byte("not an envelope"), w.Collector.Envelopes(w.Exporters[1], metertest.Packet{Received: at.UnixNano(), Protocol: envelope.ProtocolSFlow, Payload: []byte("x")})[0])
	w.Send(1, at, w.Packet(1, at.Add(time.Second), recounttest.Address(1), recounttest.Address(0), 64))
	sample := func(exporter int, second time.Duration, agent string, bytes uint64, src, dst netip.Addr, from, to uuid.UUID) tail.Line {
		return tail.Line{At: at.Add(second * time.Second), Protocol: tail.SFlow, Exporter: w.Exporters[exporter], Agent: netip.MustParseAddr(agent), Port: 7, Input: 7, Output: 8,
			Side: "ingress", Rate: 100, BytesL2: bytes, BytesL3: bytes - 18, Packets: 1, Src: src, Dst: dst, IP: 17, From: from, To: to}
	}
	first := sample(0, 0, "192.0.2.0", 1000, recounttest.Address(0), recounttest.Peer(1), w.Services[0], uuid.Nil)
	second := sample(1, 1, "192.0.2.1", 64, recounttest.Address(1), recounttest.Address(0), w.Services[1], w.Services[0])
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff([]tail.Line{first, second}, collect(t, config(w), 2), same); diff != "" {
		t.Error(diff)
	}
	for name, filter := range map[string]tail.Filter{
		"exporter": {Exporter: w.Exporters[1]}, "service": {Service: w.Services[1]}, "address": {Address: netip.MustParsePrefix("10.0.0.1/32")},
	} {
		cfg := config(w)
		cfg.Filter = filter
		if diff := cmp.Diff([]tail.Line{second}, collect(t, cfg, 1), same); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	for name, filter := range map[string]tail.Filter{"port": {Port: 8}, "protocol": {Protocol: tail.SFlow}} {
		cfg := config(w)
		cfg.Filter = filter
		if lines := collect(t, cfg, 2); len(lines) != 2 {
			t.Errorf("%s: %d lines", name, len(lines))
		}
	}
}

// Without a time a tail shows what comes from now on, and ends without an error when it is told to.
func TestFollows(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 1, 1)
	w.Send(0, at, w.Packet(0, at, recounttest.Address(0), recounttest.Peer(1), 1000))
	cfg := config(w)
	cfg.Since = time.Time{}
	ctx, stop := context.WithCancel(context.Background())
	lines, ended := make(chan tail.Line, 1), make(chan error, 1)
	go func() {
		_, err := tail.New(cfg, kafkatest.New(t).Brokers).Run(ctx, tail.Handler{Line: func(l *tail.Line) error { lines <- *l; return nil }})
		ended <- err
	}()
	var got tail.Line
	for n := uint32(1); got.BytesL2 == 0; n++ {
		w.Send(0, at, w.Packet(0, at, recounttest.Address(0), recounttest.Peer(1), 2000))
		select {
		case got = <-lines:
		case <-time.After(100 * time.Millisecond):
		}
	}
	if got.BytesL2 != 2000 {
		t.Errorf("a line from before: %+v", got)
	}
	stop()
	for {
		select {
		case <-lines:
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			return
		case <-time.After(20 * time.Second):
			t.Fatal("it does not end")
		}
	}
}

// Whoever prints too slowly is told what was left out, and is shown what comes now.
func TestSkipsAheadWhenItCannotKeepUp(t *testing.T) {
	t.Parallel()
	w := recounttest.New(t, 1, 1)
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	cfg := config(w)
	cfg.Since = time.Time{}
	begun := make(chan struct{})
	var skipped int64
	go func() {
		<-begun
		for range 300 {
			var packets []metertest.Packet
			for range 100 {
				packets = append(packets, w.Packet(0, at, recounttest.Address(0), recounttest.Peer(1), 500))
			}
			w.Send(0, at, packets...)
		}
		for ctx.Err() == nil {
			w.Send(0, at, w.Packet(0, at, recounttest.Address(0), recounttest.Peer(1), 999))
			time.Sleep(20 * time.Millisecond)
		}
	}()
	view, asked := cfg.Owners, 0
	cfg.Owners = func(ctx context.Context) (*owners.View, error) {
		if asked++; asked == 2 { // it has been at the log's end
			close(begun)
		}
		return view(ctx)
	}
	counts, err := tail.New(cfg, kafkatest.New(t).Brokers).Run(ctx, tail.Handler{
		Skipped: func(s tail.Skipped) { skipped += s.Messages },
		Line: func(l *tail.Line) error {
			if l.BytesL2 == 999 && skipped > 0 {
				return tail.Done()
			}
			time.Sleep(300 * time.Microsecond)
			return nil
		},
	})
	if err != nil || skipped == 0 || counts.Skipped != skipped {
		t.Errorf("skipped %d, %+v, %v", skipped, counts, err)
	}
}
