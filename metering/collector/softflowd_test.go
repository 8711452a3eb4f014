package collector_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/metering/collector/softflowtest"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/netflow"
)

// way is a flow's direction.
type way struct{ src, dst netip.Addr }

// counted adds up a real exporter's records, scaled by their rate.
type counted struct {
	decoder *netflow.Decoder
	bytes   map[way]int64
	rates   map[string]bool
	bad     []string
}

func (c *counted) take(d envelope.Datagram) {
	got, err := c.decoder.Decode(d.Source.Addr(), d.Received, d.Payload)
	if err != nil {
		c.bad = append(c.bad, err.Error())
		return
	}
	if got.Rejected+got.Untimed+got.NoOctets+got.Unknown > 0 {
		c.bad = append(c.bad, fmt.Sprintf("%+v", got))
	}
	for i := range got.Recovered {
		c.add(got.Recovered[i].Records)
	}
	c.add(got.Records)
}

func (c *counted) add(records []netflow.Record) {
	for _, r := range records {
		c.bytes[way{r.Src, r.Dst}] += int64(r.Bytes) * max(1, int64(r.Rate))
		c.rates[fmt.Sprintf("%d by %s", r.Rate, r.RateFrom)] = true
	}
}

// TestSoftflowd has a real exporter count a cable, and holds its records against the kernel's counters: to the byte
// without sampling, within a sample with it.
func TestSoftflowd(t *testing.T) {
	t.Parallel()
	softflowtest.Skip(t)
	const packets, size, sampling = 1000, 972, 10
	for i, c := range []struct {
		version, sampling int
		rate              string
	}{
		{5, 1, "0 by none"}, {9, 1, "1 by domain"}, {10, 1, "1 by domain"},
		{5, sampling, "10 by header"}, {9, sampling, "10 by domain"}, {10, sampling, "10 by domain"},
	} {
		t.Run(fmt.Sprintf("version %d, one in %d", c.version, c.sampling), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, collector.Config{ListenNetFlow: []string{"127.0.0.1:0"}}, exporters(exporter(1, "127.0.0.1/32")))
			cable := softflowtest.New(t, fmt.Sprintf("10.90.%d.0/24", i+1))
			before := cable.Counters(t)
			exporter := cable.Export(t, r.Addrs()[1].String(), c.version, c.sampling)
			cable.Send(t, packets, size)
			after := cable.Counters(t)
			exporter.Finish(t, after.SentPackets-before.SentPackets+after.ReceivedPackets-before.ReceivedPackets)

			truth := softflowtest.IP(after.SentBytes-before.SentBytes, after.SentPackets-before.SentPackets)
			slack := int64(0)
			if c.sampling > 1 {
				slack = int64(c.sampling) * 1000 // one sample may stand at either end, or for an answer
			}
			there, home := way{cable.Host, cable.Peer}, way{cable.Peer, cable.Host}
			got := counted{decoder: netflow.New(), bytes: map[way]int64{}, rates: map[string]bool{}}
			r.datagrams(t, 1, got.take, func() bool { return got.bytes[there] >= truth-slack && (c.sampling > 1 || got.bytes[home] > 0) })
			if off := got.bytes[there] - truth; off > slack || len(got.bad) > 0 {
				t.Errorf("%d bytes more than the kernel's %d; %v", off, truth, got.bad)
			}
			if !got.rates[c.rate] {
				t.Errorf("rates %v, want %s", got.rates, c.rate)
			}
			back := softflowtest.IP(after.ReceivedBytes-before.ReceivedBytes, after.ReceivedPackets-before.ReceivedPackets)
			t.Logf("kernel: %d there, %d back; flows: %d there, %d back", truth, back, got.bytes[there], got.bytes[home])
			if c.sampling == 1 && got.bytes[home] != back {
				t.Errorf("%d bytes back, the kernel counted %d", got.bytes[home], back)
			}
		})
	}
}
