package collector

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ezscale/platform/metering/envelope"
)

// watermarkSlack is taken off the watermark: between the kernel's stamp on a datagram and its place in the socket
// a busy machine may do other things.
const watermarkSlack = 500 * time.Millisecond

func (c *Collector) reportLoop(ctx context.Context) {
	tick := time.NewTicker(c.cfg.ReportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.report()
		}
	}
}

// report puts a report behind every envelope made so far, in every partition.
func (c *Collector) report() {
	now := c.deps.Now()
	upTo := now.UnixNano()
	for _, r := range c.receivers {
		upTo = min(upTo, r.upTo(now))
	}
	c.upTo = max(c.upTo, upTo) // what held then holds now
	offset := c.deps.Offset()
	r := envelope.Report{
		Host: c.cfg.Host, Listen: c.listen(), At: now.Add(offset).UTC(),
		Watermark:     time.Unix(0, c.upTo).Add(offset - watermarkSlack).UTC(),
		ReceiveBuffer: c.receiveBuffer(), Datagrams: c.totals.datagrams.Load(), Bytes: c.totals.bytes.Load(),
		KernelDrops: c.totals.kernelDrops.Load(), SpoolDrops: c.totals.dropped.Load(),
		UnknownDatagrams: c.unknown.Total(), Unknown: c.unknown.Latest(),
	}
	for _, p := range c.partitions {
		if err := p.addReport(r); err != nil {
			c.log.Error("report not made", "error", err)
		}
	}
}

// listen names the bound addresses.
func (c *Collector) listen() string {
	names := make([]string, len(c.bound))
	for i, a := range c.bound {
		names[i] = a.String()
	}
	return strings.Join(names, ",")
}

// receiveBuffer is what the kernel granted the least of the sockets, in bytes as it counts them.
func (c *Collector) receiveBuffer() int64 {
	var least int64
	for i, r := range c.receivers {
		if b := int64(r.socket.Buffer()); i == 0 || b < least {
			least = b
		}
	}
	return least
}

// Health is nil when every socket is read, Kafka takes what is collected, and the exporters have been read once.
func (c *Collector) Health(context.Context) error {
	if !c.started.Load() {
		return errors.New("the collector is not running")
	}
	now := c.deps.Now()
	err := c.exporters.health()
	for _, r := range c.receivers {
		err = errors.Join(err, r.health())
	}
	var stuck, spool error // the first of each says enough
	for _, p := range c.partitions {
		late, broken := p.health(now)
		stuck, spool = cmp.Or(stuck, late), cmp.Or(spool, broken)
	}
	return errors.Join(err, stuck, spool)
}
