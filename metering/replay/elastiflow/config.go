package elastiflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/metering/replay/sender"
)

// Topic is the raw log.
const Topic = "flows.raw.v1"

// Bounds used where Config leaves a zero, and bounds of what it may say.
const (
	defaultSlice       = time.Minute
	maxSlice           = time.Hour
	defaultPage        = 5000
	maxPage            = 10_000 // Elasticsearch's own, unless an index says otherwise
	defaultLag         = 2 * time.Minute
	defaultWindow      = 15 * time.Minute
	defaultKeep        = 24 * time.Hour
	defaultEvery       = time.Minute
	defaultReport      = 30 * time.Second
	defaultRetry       = 10 * time.Minute
	defaultOutboxBytes = 64 << 20
	defaultBatch       = 50_000
)

// Config says what to read and how.
type Config struct {
	Name     string        // of the job; empty: made of what it reads
	Indices  []string      // patterns; empty: ElastiFlow's flow indices
	From, To time.Time     // whole minutes; To is exclusive and zero for a follower
	Slice    time.Duration // read at a time, whole minutes; default 1 min, at most 1 h
	Page     int           // documents of one answer; default 5,000
	Batch    int           // documents of one transaction; default 50,000
	Fallback string        // exporter of documents that fit none, by name
	Trust    []string      // exporters, by name or address, whose scale is believed whatever the test says
	DryRun   bool          // read and count; write nothing

	Lag         time.Duration // a follower stays so far behind now; default 2 min
	Window      time.Duration // and reads so much again each time; default 15 min
	Every       time.Duration // so often; default 1 min
	ReportEvery time.Duration // default 30 s
	Keep        time.Duration // hashes, after a minute was written last; default 24 h
	RetryFor    time.Duration // a backfill gives up after so long without an answer; default 10 min
	OutboxBytes int64         // reading waits while more wants to be sent; default 64 MiB
	Topic       string        // default flows.raw.v1
}

// Exporter is a device as our database knows it.
type Exporter struct {
	ID     uuid.UUID
	Name   string
	Source netip.Prefix
	Agent  netip.Addr // the zero Addr for any
}

// Dependencies are what a replay works with.
type Dependencies struct {
	Elasticsearch *elasticsearch.Client
	Kafka         sender.Producer
	Journal       *journal.Journal
	Exporters     func(context.Context) ([]Exporter, error)
	Now           func() time.Time
	Progress      func(Progress) // after each slice; may be nil
	Log           *slog.Logger
}

// Progress is how far a replay is.
type Progress struct {
	From, Next, To time.Time // To is zero for a follower
	Counts         Counts
}

// DefaultIndices are ElastiFlow's indices of flows, of every version; telemetry is no flow.
func DefaultIndices() []string { return []string{"elastiflow-*", "-elastiflow-telemetry*"} }

func (c Config) withDefaults() Config {
	if len(c.Indices) == 0 {
		c.Indices = DefaultIndices()
	}
	setDuration(&c.Slice, defaultSlice)
	setDuration(&c.Lag, defaultLag)
	setDuration(&c.Window, defaultWindow)
	setDuration(&c.Every, defaultEvery)
	setDuration(&c.ReportEvery, defaultReport)
	setDuration(&c.Keep, defaultKeep)
	setDuration(&c.RetryFor, defaultRetry)
	if c.Page == 0 {
		c.Page = defaultPage
	}
	if c.Batch == 0 {
		c.Batch = defaultBatch
	}
	if c.OutboxBytes == 0 {
		c.OutboxBytes = defaultOutboxBytes
	}
	if c.Topic == "" {
		c.Topic = Topic
	}
	return c
}

func setDuration(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// Mode is that of the job.
func (c Config) mode() journal.Mode {
	if c.To.IsZero() {
		return journal.Follow
	}
	return journal.Backfill
}

// check tells what cannot be.
func (c Config) check() error {
	whole := func(t time.Time) bool { return t.Equal(t.Truncate(time.Minute)) }
	switch {
	case c.From.IsZero() || c.From.Year() < 1970 || c.From.Year() > 2200:
		return errors.New("from: want a time from 1970 to 2200")
	case !whole(c.From) || !whole(c.To):
		return errors.New("from and to: want whole minutes")
	case c.mode() == journal.Backfill && !c.To.After(c.From):
		return errors.New("to: want a time after from")
	case c.To.Year() > 2200:
		return errors.New("to: want a time before 2200")
	case c.Slice < time.Minute || c.Slice > maxSlice || c.Slice%time.Minute != 0:
		return fmt.Errorf("slice: want whole minutes, from 1m to %s", maxSlice)
	case c.Page < 1 || c.Page > maxPage:
		return fmt.Errorf("page: want 1 to %d documents", maxPage)
	case c.Lag < 0 || c.Window < 0 || c.Every <= 0 || c.ReportEvery <= 0:
		return errors.New("lag, window and pauses: want no negative durations")
	case c.Keep < c.Lag+c.Window:
		return errors.New("keep: want more than lag and window together")
	case c.Batch < 1 || c.OutboxBytes < 1:
		return errors.New("batch and outbox: want at least 1")
	}
	return nil
}

// name is the same for the same reading, so that the same command goes on where it was.
func (c Config) name(host string) string {
	if c.Name != "" {
		return c.Name
	}
	what := host + " " + strings.Join(c.Indices, ",")
	if c.mode() == journal.Follow {
		return what + " follow"
	}
	return what + " " + c.From.UTC().Format(time.RFC3339) + " " + c.To.UTC().Format(time.RFC3339)
}
