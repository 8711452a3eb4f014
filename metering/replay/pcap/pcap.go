// Package pcap replays what a capture file holds of exporters' datagrams into flows.raw.v1, past the collector's
// sockets and through everything behind them: the same envelopes, the same meter.
//
// It reads the file twice. The first reading (Survey) finds out what is there, whose it is, and whether the file can be
// read to its end, before anything is written. The second (Play) packs and sends.
//
// Counting once. At original times each exporter's datagrams of a file are one producer: its id is the digest of
// the file, the exporter, and the datagrams that are to be sent for it, and envelopes are cut by the file's own times,
// never by the clock or by what Kafka took how fast. So a second replay, or one after a kill -9, sends the same
// envelopes with the same sequences, and the meter drops those it has. When an exporter is registered in between, or
// takes over another source, its producer is another one; those of the others stay. A meter remembers 256
// producers per partition: that many other replays later the same file would count again.
//
// With At now every run is a new producer: it is meant to be seen again. The meter still knows its newest datagrams by
// sequence and content, and counts those no second time.
package pcap

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/replay/pcap/capture"
	"github.com/ezscale/platform/schemas/events"
)

// Bounds.
const (
	maxUnknown   = 1_000                  // sources that are named
	window       = 250 * time.Millisecond // of capture time that one envelope covers at most
	requestBytes = 768 << 10              // of one produce request, below the brokers' usual 1 MiB
	giveUpAfter  = 2 * time.Minute        // without an answer from Kafka
	maxAhead     = 5 * time.Minute        // that the capture's clock may be
)

// What ends a replay.
var (
	ErrNothing = errors.New("the file holds no datagram of a registered exporter")
	ErrChanged = errors.New("the file has changed while it was replayed")
	ErrAhead   = errors.New("the capture's times lie ahead of the clock: they would count in hours that have not begun")
)

// Log is where envelopes go. *kafka.Client is one.
type Log interface {
	Produce(ctx context.Context, topic string, partition int, msgs []kafka.Message) (int64, error)
}

// Config of a replay. Zero values take the default in brackets.
type Config struct {
	Open       func() (io.ReadCloser, error) // the file, from its beginning; called twice
	Ports      []uint16                      // UDP ports that datagrams were sent to [6343, 2055, 4739]
	Exporter   uuid.UUID                     // takes every datagram; uuid.Nil: by source address and agent
	Speed      float64                       // how many times faster than captured; 0: as fast as Kafka takes it
	AtNow      bool                          // receive times are of now, not of the capture
	Topic      string                        // [events.TopicFlowsRaw]
	Partitions int                           // [events.FlowPartitions]

	Now   func() time.Time                                 // the platform's time; required
	Sleep func(ctx context.Context, d time.Duration) error // waits, or ends with ctx's error [a timer]
}

func (c Config) withDefaults() Config {
	if len(c.Ports) == 0 {
		c.Ports = []uint16{6343, 2055, 4739}
	}
	if c.Topic == "" {
		c.Topic = events.TopicFlowsRaw
	}
	if c.Partitions == 0 {
		c.Partitions = events.FlowPartitions
	}
	if c.Sleep == nil {
		c.Sleep = background.Pause
	}
	return c
}

// Share is what a file holds of one exporter.
type Share struct {
	Exporter    uuid.UUID
	Datagrams   int64
	Bytes       int64 // of UDP payload
	First, Last time.Time
	digest      [32]byte
}

// Source is an address that no exporter is registered for.
type Source struct {
	Address   netip.Addr
	Datagrams int64
}

// Survey is what a file holds.
type Survey struct {
	capture.Counts
	Shares     []Share // by exporter id
	OtherPorts int64   // datagrams to other ports
	Unknown    int64   // datagrams of unknown sources
	Sources    []Source
	Size       int64 // bytes read
	Cut        bool  // the file ends inside a packet: the capture was killed, or is still running
	first      int64 // time of the first datagram that is replayed
	digest     [32]byte
}

// Replayed is how many datagrams are to be sent.
func (s *Survey) Replayed() int64 {
	var n int64
	for _, share := range s.Shares {
		n += share.Datagrams
	}
	return n
}

// Progress is how far a replay is.
type Progress struct {
	Bytes     int64     // of the file
	Datagrams int64     // read
	Envelopes int64     // acknowledged by Kafka
	At        time.Time // capture time
}

// Replay is one file and where it goes.
type Replay struct {
	cfg    Config
	log    Log
	table  *sources.Table
	chosen *sources.Known // takes everything; nil: by source
}

// New makes a replay for the exporters that are registered. Nothing is read yet.
func New(cfg Config, log Log, exporters []sources.Exporter) (*Replay, error) {
	r := &Replay{cfg: cfg.withDefaults(), log: log}
	if r.cfg.Now == nil || r.cfg.Open == nil {
		return nil, errors.New("replay: Config.Now and Config.Open are required")
	}
	r.table = sources.NewTable(exporters, r.cfg.Partitions)
	if r.cfg.Exporter == uuid.Nil {
		return r, nil
	}
	i := slices.IndexFunc(exporters, func(e sources.Exporter) bool { return e.ID == r.cfg.Exporter })
	if i < 0 {
		return nil, errors.New("replay: the exporter is not registered")
	}
	r.chosen = &sources.Known{Exporter: exporters[i], Partition: r.partition(exporters[i].ID)}
	return r, nil
}

func (r *Replay) partition(exporter uuid.UUID) int {
	return events.Partition(events.VirtualShard(exporter), r.cfg.Partitions)
}
