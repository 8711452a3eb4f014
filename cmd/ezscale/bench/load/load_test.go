package load

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/sflow"
)

// TestDatagramsAreWhatTheTruthSays reads datagrams with the platform's decoder and adds them up again.
func TestDatagramsAreWhatTheTruthSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ exporters, services int }{{1, 1}, {4, 3}, {3, 1000}, {2, 200_000}} {
		var want, got Truth
		for i := range c.exporters {
			e := newExporter(i, c.exporters, c.services)
			b := append([]byte(nil), e.template...)
			for n := range 50 {
				e.write(b, time.Second, &want)
				read(t, b, i, n, c.exporters, c.services, &got)
			}
		}
		if got != want {
			t.Errorf("%+v: read %+v, sent %+v", c, got, want)
		}
	}
}

func read(t *testing.T, b []byte, exporter, n, exporters, services int, truth *Truth) {
	t.Helper()
	var d sflow.Decoder
	if err := d.Decode(b); err != nil {
		t.Fatal(err)
	}
	if d.Header.Agent != ExporterAddress(exporter) || d.Header.Sequence != uint32(n+1) || len(d.Flows) != SamplesEach {
		t.Fatalf("datagram %d of exporter %d: %+v with %d samples", n, exporter, d.Header, len(d.Flows))
	}
	truth.Datagrams++
	for i := range d.Flows {
		s := &d.Flows[i]
		if s.Sequence != uint32(n*SamplesEach+i+1) || s.Rate != SampleRate || s.IPLength+linkBytes != s.FrameLength || s.Side() != sflow.Ingress {
			t.Fatalf("sample %+v", s)
		}
		truth.Samples++
		inside := s.Src
		if s.Dst.As4()[0] == 10 {
			inside = s.Dst
			truth.BytesIn += int64(s.FrameLength) * SampleRate
		} else {
			truth.BytesOut += int64(s.FrameLength) * SampleRate
		}
		raw := inside.As4()
		service := int(raw[1])<<16 | int(raw[2])<<8 | int(raw[3])
		if inside != ServiceAddress(service) || service >= services || services >= exporters && service%exporters != exporter {
			t.Fatalf("service %d behind exporter %d", service, exporter)
		}
		truth.Check += int64(service) + 1
	}
}

func TestSenderKeepsItsRate(t *testing.T) {
	t.Parallel()
	listen, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listen.Close()
	s, err := Open(context.Background(), Config{Target: listen.LocalAddr().(*net.UDPAddr).AddrPort(), Exporters: 3, Services: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const rate = 1000
	sent, err := s.Send(context.Background(), Task{Rate: rate, For: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(sent.Took.Seconds() * rate); sent.Datagrams == 0 || sent.Datagrams > most {
		t.Errorf("%d datagrams in %s", sent.Datagrams, sent.Took)
	}
	if _, err := Open(context.Background(), Config{Target: listen.LocalAddr().(*net.UDPAddr).AddrPort()}); err == nil {
		t.Error("a sender of nothing")
	}
}
