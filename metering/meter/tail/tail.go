// Package tail watches the raw log as it is written: decoded, attributed, filtered, one line per flow sample or record. It
// counts nothing and changes nothing: repeats show twice, no count policy holds, and rates are shown as they came.
//
// All partitions are read at once, each in its own order. Lines wait in a bounded queue; when whoever prints them
// cannot keep up, a reader that has fallen too far behind goes on at the log's end and says how much it left out.
// Memory is bounded by the queue and one fetch per partition.
package tail

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/schemas/events"
)

// Bounds.
const (
	queueLength = 4096      // lines
	fetchBytes  = 256 << 10 // of one fetch: a tail is to be near the end, not fast
	farBehind   = 64        // envelopes behind the log's end
	patience    = 4         // fetches that leave a reader far behind, before it skips
	fetchWait   = 500 * time.Millisecond
	longestAway = time.Minute // without Kafka
	maxDecoders = 1024        // exporters of NetFlow per partition
)

// Protocol names.
const (
	SFlow    = "sflow"
	NetFlow  = "netflow"
	Replayed = "replayed" // decoded elsewhere
)

// Line is one sample or record.
type Line struct {
	At       time.Time  `json:"at"`
	Protocol string     `json:"protocol"`
	Exporter uuid.UUID  `json:"exporter_id"`
	Agent    netip.Addr `json:"agent,omitzero"`
	SubAgent uint32     `json:"sub_agent"` // or observation domain
	Port     uint32     `json:"port"`      // ifIndex where it was sampled; 0 not told
	Input    uint32     `json:"input"`
	Output   uint32     `json:"output"`
	Side     string     `json:"side"`
	Rate     uint32     `json:"rate"`     // 0 not told
	BytesL2  uint64     `json:"bytes_l2"` // unscaled, but for replayed flows
	BytesL3  uint64     `json:"bytes_l3"`
	Packets  uint64     `json:"packets"`
	Src      netip.Addr `json:"src,omitzero"` // not valid: no IP
	Dst      netip.Addr `json:"dst,omitzero"`
	IP       uint8      `json:"ip_protocol"`           // 6 TCP, 17 UDP …; 0 not told
	From     uuid.UUID  `json:"from_service,omitzero"` // whose Src is
	To       uuid.UUID  `json:"to_service,omitzero"`
}

// Filter says which lines are of interest. Zero fields let all through.
type Filter struct {
	Exporter uuid.UUID
	Service  uuid.UUID
	Address  netip.Prefix // source or destination
	Port     uint32       // sampled at, in or out
	Protocol string
}

func (f *Filter) passes(l *Line) bool {
	switch {
	case f.Exporter != uuid.Nil && l.Exporter != f.Exporter,
		f.Service != uuid.Nil && l.From != f.Service && l.To != f.Service,
		f.Address.IsValid() && !f.Address.Contains(l.Src) && !f.Address.Contains(l.Dst),
		f.Port != 0 && l.Port != f.Port && l.Input != f.Port && l.Output != f.Port,
		f.Protocol != "" && l.Protocol != f.Protocol:
		return false
	}
	return true
}

// Config of a tail. Zero values take the default in brackets.
type Config struct {
	Filter
	Since      time.Time // from messages written then on, by the machine's time [the log's end]
	Topic      string    // [events.TopicFlowsRaw]
	Partitions int       // [events.FlowPartitions]

	Owners func(context.Context) (*owners.View, error) // the attribution of now; required
}

// Skipped says that a reader went on at the log's end.
type Skipped struct {
	Partition int
	Messages  int64
}

// Handler is told what the tail sees, one call at a time.
type Handler struct {
	Line    func(*Line) error // its error ends the tail
	Skipped func(Skipped)
}

// Counts are what was seen.
type Counts struct {
	Envelopes int64
	Lines     int64 // that passed the filter
	Rejected  int64 // datagrams, or samples of theirs, that could not be decoded
	Skipped   int64 // envelopes
}

// Tail reads the log.
type Tail struct {
	cfg    Config
	client *kafka.Client
}

// New makes a tail on a cluster. Nothing is read yet.
func New(cfg Config, brokers []string) *Tail {
	if cfg.Topic == "" {
		cfg.Topic = events.TopicFlowsRaw
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = events.FlowPartitions
	}
	return &Tail{cfg: cfg, client: kafka.New(kafka.Config{Brokers: brokers, FetchBytes: fetchBytes})}
}

// partitions are those to read: one when only an exporter's lines are of interest.
func (t *Tail) partitions() []int {
	if t.cfg.Exporter != uuid.Nil {
		return []int{events.Partition(events.VirtualShard(t.cfg.Exporter), t.cfg.Partitions)}
	}
	all := make([]int, t.cfg.Partitions)
	for i := range all {
		all[i] = i
	}
	return all
}

// start is the offset that a partition is read from.
func (t *Tail) start(ctx context.Context, partition int) (int64, error) {
	if !t.cfg.Since.IsZero() {
		return t.client.OffsetAt(ctx, t.cfg.Topic, partition, t.cfg.Since)
	}
	_, next, err := t.client.Offsets(ctx, t.cfg.Topic, partition)
	return next, err
}

func protocolName(p envelope.Protocol) string {
	switch p {
	case envelope.ProtocolSFlow:
		return SFlow
	case envelope.ProtocolNetFlow:
		return NetFlow
	}
	return fmt.Sprintf("protocol %d", p)
}
