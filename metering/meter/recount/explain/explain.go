// Package explain says where the bytes of one hour of one service came from: which exporter, agent, port, prefix and
// sampling rate, by how many samples, with whom; and whether their sum is what the books have.
package explain

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/recount"
)

// Bounds of an explanation.
const (
	maxLines = 5_000   // the rest is one line
	maxPeers = 200_000 // looked at; the rest is one peer
	topPeers = 20
)

// Usage is traffic by both byte counts, as in the books.
type Usage struct {
	BytesInL2  int64 `json:"bytes_in_l2"`
	BytesOutL2 int64 `json:"bytes_out_l2"`
	BytesInL3  int64 `json:"bytes_in_l3"`
	BytesOutL3 int64 `json:"bytes_out_l3"`
	PacketsIn  int64 `json:"packets_in"`
	PacketsOut int64 `json:"packets_out"`
	SamplesIn  int64 `json:"samples_in"`
	SamplesOut int64 `json:"samples_out"`
}

// Line is one source of bytes.
type Line struct {
	Exporter  string `json:"exporter"`
	Kind      string `json:"kind"` // sample, record, counter; evidence: bound, attachment
	Agent     string `json:"agent"`
	SubAgent  uint32 `json:"sub_agent"` // or observation domain
	Port      uint32 `json:"port"`      // ifIndex, 0 not known
	Direction string `json:"direction"` // in or out of the service
	Prefix    string `json:"prefix"`    // of the service; empty for a port's counters
	Rate      uint32 `json:"rate"`      // one packet in Rate was looked at; 0 for what is not sampled
	Samples   int64  `json:"samples"`
	Packets   int64  `json:"packets"`
	BytesL2   int64  `json:"bytes_l2"`
	BytesL3   int64  `json:"bytes_l3"`
}

// Peer is an address that the service spoke with.
type Peer struct {
	Address  string `json:"address"` // "others" for those over the bound
	BytesIn  int64  `json:"bytes_in_l2"`
	BytesOut int64  `json:"bytes_out_l2"`
	Samples  int64  `json:"samples"`
}

// Sum is an exporter's share, by the log and by the books.
type Sum struct {
	Exporter   string `json:"exporter"`
	Counted    Usage  `json:"counted"`    // by the log
	Released   Usage  `json:"released"`   // from quarantine, by an operator: the log cannot know it
	Books      Usage  `json:"books"`      // usage_hourly
	Difference Usage  `json:"difference"` // books less counted and released: what "meter remeter" would correct
}

// Correction is a decision of an operator about the hour.
type Correction struct {
	Exporter  string     `json:"exporter"`
	Kind      string     `json:"kind"`
	Reason    string     `json:"reason"`
	BytesIn   int64      `json:"bytes_in_l2"`
	BytesOut  int64      `json:"bytes_out_l2"`
	CreatedAt time.Time  `json:"created_at"`
	AppliedAt *time.Time `json:"applied_at,omitempty"` // absent: it waits for the meter
}

// Evidence is what was seen and not billed.
type Evidence struct {
	Exporter string `json:"exporter"`
	Reason   string `json:"reason"` // bound, attachment
	BytesIn  int64  `json:"bytes_in_l2"`
	BytesOut int64  `json:"bytes_out_l2"`
	Samples  int64  `json:"samples"`
}

// Quarantined are samples of the service whose rate could not be believed.
type Quarantined struct {
	Exporter    string `json:"exporter"`
	Direction   string `json:"direction"`
	Rate        int64  `json:"rate"`
	Samples     int64  `json:"samples"`
	FrameLength int64  `json:"frame_length"` // unscaled
	Released    int64  `json:"released"`     // samples of these that an operator has released since
	Rejected    int64  `json:"rejected"`
}

// Loss is what is known to be missing of an exporter's hour.
type Loss struct {
	Exporter           string `json:"exporter"`
	Datagrams          int64  `json:"datagrams"`
	DatagramsLost      int64  `json:"datagrams_lost"`
	DatagramsDuplicate int64  `json:"datagrams_duplicate"`
	DatagramsRejected  int64  `json:"datagrams_rejected"`
	SamplesLost        int64  `json:"samples_lost"`
	SamplesDropped     int64  `json:"samples_dropped"`
	KernelDrops        int64  `json:"kernel_drops"`
	SpoolDrops         int64  `json:"spool_drops"`
	Restarts           int64  `json:"restarts"`
}

// Explanation is everything about one hour.
type Explanation struct {
	Service     string        `json:"service"`
	ServiceID   uuid.UUID     `json:"service_id"`
	Hour        time.Time     `json:"hour"`
	Complete    bool          `json:"complete"`             // every meter has passed the hour
	LogFrom     *time.Time    `json:"log_from,omitempty"`   // from when on the log is there; absent: from its beginning
	InLog       bool          `json:"in_log"`               // the log holds the whole hour; if not, lines may be missing
	Lines       []Line        `json:"lines"`                // what is billed, most bytes first
	Unbilled    []Line        `json:"evidence_lines"`       // what is kept as evidence
	MoreLines   int64         `json:"more_lines,omitempty"` // shares that found no line of their own
	Peers       []Peer        `json:"peers"`
	Sums        []Sum         `json:"sums"` // by exporter
	Corrections []Correction  `json:"corrections"`
	Evidence    []Evidence    `json:"evidence"`
	Quarantined []Quarantined `json:"quarantined"`
	Losses      []Loss        `json:"losses"`
}

// Explain recounts the hour. progress may be nil.
func Explain(ctx context.Context, pool *pgxpool.Pool, r *recount.Recounter, service uuid.UUID, hour time.Time, progress func(recount.Progress)) (*Explanation, error) {
	span := recount.Span{From: hour.UTC(), To: hour.UTC().Add(time.Hour)}
	if err := span.Check(); err != nil {
		return nil, err
	}
	held, err := r.Held(ctx)
	if err != nil {
		return nil, err
	}
	services := []uuid.UUID{service}
	books, err := r.Books(ctx, span, services)
	if err != nil {
		return nil, err
	}
	known, err := readFacts(ctx, pool, service, span.From)
	if err != nil {
		return nil, err
	}
	shares := newShares(known)
	counted, err := r.Count(ctx, span, books, recount.Options{Services: services, Trace: shares.add, Progress: progress})
	if err != nil {
		return nil, err
	}
	e := known.explanation
	e.ServiceID, e.Hour = service, span.From
	e.Complete, e.InLog = !books.Watermark.Before(span.To), !held.After(span.From)
	if !held.IsZero() {
		e.LogFrom = &held
	}
	e.Lines, e.Unbilled, e.MoreLines, e.Peers = shares.billed(), shares.unbilled(), shares.more, shares.top()
	e.Sums = known.sums(books, counted.Sums)
	return &e, nil
}

func usageOf(u count.Usage) Usage { return Usage(u) }
