// Package collector takes exporters' datagrams (sFlow, NetFlow, IPFIX) off UDP sockets and puts them, undecoded, into flows.raw.v1.
//
// Its whole art is to be cheap and to lose nothing, so the way of a datagram is short:
//
//	socket (recvmmsg, 256 slots, a pause of some ms when a call did not fill)
//	  → source in the table of exporters?  no: wait for one reload of the table, then counted as unknown
//	  → appended to the envelope of its exporter  (one copy; sealed when full or after a few tens of ms)
//	  → queue of the exporter's partition          (bounded in memory, then in a spool on disk)
//	  → one produce request in flight per partition, RequireAll, repeated until it is answered
//
// Nothing is decoded here, so that a mended decoder can read the log again. Sockets share no lock on this way:
// each packs its own envelopes, and an exporter's packets always come to the same socket (the kernel picks it by
// the four addresses and ports), so order holds. An exporter that sends from one port therefore loads one core only.
//
// Promises. An envelope's (collector, boot, partition, sequence) is fixed before it is first sent; an answer that
// did not come leads to the same bytes again, so the meter can drop repeats. Sequences have no holes: what is
// dropped because Kafka is away for longer than the spool lasts never had a number, and is counted
// (SpoolDrops). A kill -9 loses what is younger than the flush interval and one request: as soon as a request has
// failed, everything that waits moves to the spool, which outlives the process (not the machine: it is not synced).
// Datagrams that the kernel dropped are read from the sockets' own counters. A report about all this, with a
// watermark, goes to every partition about once a second.
//
// Datagrams carry the kernel's time of arrival plus the development clock's offset; the machine's clock is injected.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/embedded/flock"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/collector/buffer"
	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/collector/spool"
	"github.com/ezscale/platform/metering/collector/udp"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/schemas/events"
)

// Config of a collector. Zero values take the default in brackets.
type Config struct {
	Listen         []string      // UDP addresses for sFlow, host:port; port 0 takes a free one
	ListenNetFlow  []string      // the same for NetFlow and IPFIX; one of both lists must name an address
	Sockets        int           // per address, SO_REUSEPORT [min(4, GOMAXPROCS)]
	ReceiveBuffer  int           // bytes asked of the kernel per socket [32 MiB]
	Slots          int           // datagrams per recvmmsg call [256]
	Pause          time.Duration // after a call that did not fill its slots [5 ms; 2 ms with a buffer of less than 4 MB]
	FlushEvery     time.Duration // an envelope waits no longer than this [50 ms]
	EnvelopeBytes  int           // an envelope is sealed at this size [envelope.MaxSize]
	RequestBytes   int           // envelopes of one produce request together [800,000]
	RequestTimeout time.Duration // then the same request again [10 s]
	QueueBytes     int64         // envelopes in memory waiting for Kafka, all partitions [64 MiB]
	ReloadEvery    time.Duration // of the table of exporters [1 s]
	ReportEvery    time.Duration // [1 s]
	Topic          string        // [events.TopicFlowsRaw]
	Partitions     int           // [events.FlowPartitions]
	DataDir        string        // for the collector's identity, the table's copy and the spool, of this collector alone; "" keeps nothing
	SpoolBytes     int64         // on disk, all partitions [4 GiB]
	Host           string        // name in reports
}

func (c Config) withDefaults() Config {
	setDefault(&c.Sockets, min(4, runtime.GOMAXPROCS(0)))
	setDefault(&c.ReceiveBuffer, 32<<20)
	setDefault(&c.Slots, 256)
	setDefault(&c.FlushEvery, 50*time.Millisecond)
	setDefault(&c.EnvelopeBytes, envelope.MaxSize)
	setDefault(&c.RequestBytes, 800_000)
	setDefault(&c.RequestTimeout, 10*time.Second)
	setDefault(&c.QueueBytes, 64<<20)
	setDefault(&c.SpoolBytes, 4<<30)
	setDefault(&c.ReloadEvery, time.Second)
	setDefault(&c.ReportEvery, time.Second)
	setDefault(&c.Topic, events.TopicFlowsRaw)
	setDefault(&c.Partitions, events.FlowPartitions)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

const lockFile = "lock"

// Exporter is a device that may send.
type Exporter = sources.Exporter

// Producer is the part of kafka.Client that a collector needs.
type Producer interface {
	Produce(ctx context.Context, topic string, partition int, msgs []kafka.Message) (baseOffset int64, err error)
}

// Dependencies of a collector; all are needed.
type Dependencies struct {
	Kafka Producer
	// Exporters reads who may send. changed is false when the last list still holds; list is then not looked at.
	Exporters func(ctx context.Context) (list []Exporter, changed bool, err error)
	Now       func() time.Time     // the machine's clock, which the kernel stamps datagrams with
	Offset    func() time.Duration // how far the platform's clock runs ahead of it
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Collector is one receiving process. Several may run, each with its own identity.
type Collector struct {
	cfg  Config
	deps Dependencies
	log  *slog.Logger

	lock       *flock.Lock // of the data directory
	self       identity
	totals     totals
	metrics    *metrics
	buffers    *buffer.Pool
	unknown    *sources.Unknown
	budget     *pendingBudget
	exporters  exporterState
	receivers  []*receiver
	partitions []*partition
	spooled    *spool.Budget
	bound      []netip.AddrPort
	upTo       int64 // Unix nanoseconds: of the last watermark, by the machine's clock

	started atomic.Bool
	stop    context.CancelFunc // ends reloads and reports
	abort   context.CancelFunc // ends produce requests
	loops   sync.WaitGroup     // reloads and reports
	sending sync.WaitGroup     // partitions
}

// New is inert: it opens nothing.
func New(cfg Config, deps Dependencies) *Collector {
	cfg = cfg.withDefaults()
	c := &Collector{cfg: cfg, deps: deps, log: deps.Log.With("part", "collector")}
	c.buffers = buffer.NewPool()
	c.unknown = sources.NewUnknown()
	c.budget = &pendingBudget{}
	c.spooled = &spool.Budget{}
	c.exporters.wake = make(chan struct{}, 1)
	c.metrics = newMetrics(deps.Metrics, c)
	return c
}

// Start opens the sockets, reads the table of exporters (or its last copy when that fails) and begins to collect.
func (c *Collector) Start(ctx context.Context) error {
	if c.started.Load() {
		return nil
	}
	if len(c.cfg.Listen)+len(c.cfg.ListenNetFlow) == 0 {
		return errors.New("collector has no address to listen on")
	}
	if err := c.open(); err != nil {
		return errors.Join(err, c.unlock())
	}
	c.loadFirst(ctx)
	c.startSending(ctx)
	c.startLoops(ctx)
	c.startReceiving()
	c.started.Store(true)
	return nil
}

// open takes the data directory for this process alone, and then the addresses.
func (c *Collector) open() (err error) {
	if c.cfg.DataDir != "" {
		if err := os.MkdirAll(c.cfg.DataDir, 0o700); err != nil {
			return fmt.Errorf("make collector's directory: %w", err)
		}
		if c.lock, err = flock.Try(filepath.Join(c.cfg.DataDir, lockFile)); err != nil {
			return fmt.Errorf("collector's directory: %w", err)
		}
	}
	if c.self, err = openIdentity(c.cfg.DataDir, c.deps.Now()); err != nil {
		return err
	}
	if err := c.openPartitions(); err != nil {
		return err
	}
	return c.openSockets()
}

// unlock gives the data directory back.
func (c *Collector) unlock() error {
	if c.lock == nil {
		return nil
	}
	err := c.lock.Release()
	c.lock = nil
	return err
}

func (c *Collector) startSending(ctx context.Context) {
	ctx, c.abort = context.WithCancel(context.WithoutCancel(ctx))
	for _, p := range c.partitions {
		c.sending.Go(func() { p.run(ctx) })
	}
}

// openPartitions finds what earlier processes left in the spool.
func (c *Collector) openPartitions() error {
	c.spooled, c.partitions = &spool.Budget{Limit: c.cfg.SpoolBytes}, nil
	for i := range c.cfg.Partitions {
		var left *spool.Spool
		if c.cfg.DataDir != "" {
			var err error
			if left, err = spool.Open(filepath.Join(c.cfg.DataDir, "spool", strconv.Itoa(i)), c.spooled); err != nil {
				return err
			}
		}
		c.partitions = append(c.partitions, newPartition(c, i, left))
	}
	if left := c.spooled.Used(); left > 0 {
		c.log.Info("envelopes of an earlier process are sent first", "spool_bytes", left)
	}
	return nil
}

func (c *Collector) startLoops(ctx context.Context) {
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.loops.Go(func() { c.reloadLoop(ctx) })
	c.loops.Go(func() { c.reportLoop(ctx) })
}

// openSockets binds every address, each by a group of sockets. What an address was configured for is what its datagrams
// are taken to be.
func (c *Collector) openSockets() error {
	err := c.openAll(c.cfg.Listen, envelope.ProtocolSFlow)
	if err == nil {
		err = c.openAll(c.cfg.ListenNetFlow, envelope.ProtocolNetFlow)
	}
	if err != nil {
		err = errors.Join(err, c.closeReceivers())
		c.receivers, c.bound = nil, nil
	}
	return err
}

func (c *Collector) openAll(addresses []string, protocol envelope.Protocol) error {
	for _, address := range addresses {
		group, bound, err := udp.OpenGroup(address, c.cfg.Sockets, c.cfg.ReceiveBuffer)
		if err != nil {
			return err
		}
		if err := c.addReceivers(group, protocol); err != nil {
			return err
		}
		c.bound = append(c.bound, bound)
	}
	return nil
}

func (c *Collector) addReceivers(group []*udp.Socket, protocol envelope.Protocol) error {
	for i, s := range group {
		r, err := newReceiver(c, s, protocol)
		if err != nil {
			return errors.Join(err, udp.CloseAll(group[i:]))
		}
		c.receivers = append(c.receivers, r)
	}
	return nil
}

func (c *Collector) closeReceivers() error {
	var err error
	for _, r := range c.receivers {
		err = errors.Join(err, r.close())
	}
	return err
}

func (c *Collector) startReceiving() {
	for _, r := range c.receivers {
		r.start()
	}
	buffer := c.receiveBuffer()
	c.log.Info("collecting", "listen", c.listen(), "sockets", len(c.receivers), "receive_buffer", buffer, "collector", c.self.ID)
	if buffer < int64(c.cfg.ReceiveBuffer) {
		c.log.Warn("receive buffer is smaller than asked for: bursts may be lost; raise net.core.rmem_max",
			"asked", c.cfg.ReceiveBuffer, "granted", buffer)
	}
}

// Addrs are the bound addresses, in the order of Config.Listen and then of Config.ListenNetFlow, once started.
func (c *Collector) Addrs() []netip.AddrPort { return c.bound }

// Stop reads what the sockets still hold, sends everything and a last report. What Kafka has not taken when ctx ends
// stays in the spool; what has no room there is lost, and Stop returns an error that says how much.
func (c *Collector) Stop(ctx context.Context) error {
	if !c.started.CompareAndSwap(true, false) {
		return nil
	}
	c.stop()
	c.loops.Wait()
	for _, r := range c.receivers {
		r.stop()
	}
	c.reload(ctx)
	c.adoptAll(c.exporters.begun.Add(1), true) // what still waits is counted as unknown
	c.report()
	return errors.Join(c.stopSending(ctx), c.closeReceivers(), c.unlock())
}

func (c *Collector) stopSending(ctx context.Context) error {
	for _, p := range c.partitions {
		p.finish()
	}
	done := make(chan struct{})
	go func() { c.sending.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	c.abort()
	<-done
	var left int64
	var err error
	for _, p := range c.partitions {
		left += p.leftBehind()
		if p.spool != nil {
			err = errors.Join(err, p.spool.Close())
		}
	}
	if left > 0 {
		err = errors.Join(err, fmt.Errorf("collector stopped with %d datagrams that Kafka has not taken", left))
	}
	return err
}
