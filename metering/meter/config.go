package meter

import (
	"runtime"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/sflow"
	"github.com/ezscale/platform/schemas/events"
)

// Consumer is the meter's name in consumer_offset.
const Consumer = "meter"

// Bounds that are not settings.
const (
	maxRetryWait   = 5 * time.Second
	firstRetryWait = 50 * time.Millisecond
	finishBound    = 15 * time.Second     // for the last flush at Stop
	flushPerCell   = 2 * time.Millisecond // that a flush waits longer for each cell it writes, up to FullFlush
	behindFrom     = 2 * time.Second      // old that what is counted must be, for the meter to be behind
	restPerFlush   = 4                    // of its own time that a flush leaves to others, up to LongestRest
	emitPerWindow  = 2 * time.Millisecond // the same of an emission, up to FullEmit
)

// Config bounds and times a meter. Zero values take the defaults.
type Config struct {
	Owner      string // of the leases, unique and new with each start; default a random one
	Partitions []int  // of flows.raw.v1 to meter; default all
	Topic      string // default flows.raw.v1
	UsageTopic string // default usage.v1

	Decoder string // sflow.Builtin (default) or sflow.Goflow2

	LeaseTTL      time.Duration // default 15 s
	FlushInterval time.Duration // between two flushes while the meter keeps up; default 1 s
	IdleInterval  time.Duration // the same while only collectors' reports come; default 2 s
	FullFlush     time.Duration // the longest between two flushes, for those that write many rows; default 3 s
	BehindFlush   time.Duration // the same while the meter is behind: fewer, larger flushes; default 5 s
	LongestRest   time.Duration // the longest that a meter leaves Postgres alone after a flush that took long; default 30 s
	EmitInterval  time.Duration // between two emissions of usage windows; default 10 s, graphs read the newest minutes from Postgres
	FullEmit      time.Duration // the longest between two emissions, for those of many windows; default 45 s
	StateInterval time.Duration // between two snapshots of the trackers; default 10 s
	PageRows      int           // usage rows that a flush sends to Postgres at a time; default 4,000
	Desks         int           // flushes that are written at the same time; default the number of processors
	SlotRetention time.Duration // of ten-second slots behind the slowest partition's watermark; default 26 h
	StallAfter    time.Duration // without progress while there is work: unhealthy; default 30 s
	RetryLease    time.Duration // pause before asking again for a lease that is held; default 2 s

	Now     func() time.Time // the platform's time, by which usage is received and cycles run; required
	Machine func() time.Time // for intervals and health only, so that an advanced clock stalls nothing; default the machine's
	NewID   func() uuid.UUID // default version 7

	// Step, when set, is called before each step that a crash test kills at. Nil in production.
	Step func(name string)
}

func (c Config) withDefaults() Config {
	setDefault(&c.Owner, uuid.NewString())
	setDefault(&c.Topic, events.TopicFlowsRaw)
	setDefault(&c.UsageTopic, events.TopicUsage)
	setDefault(&c.Decoder, sflow.Builtin)
	setDefault(&c.LeaseTTL, 15*time.Second)
	setDefault(&c.FlushInterval, time.Second)
	setDefault(&c.IdleInterval, 2*time.Second)
	setDefault(&c.FullFlush, 3*time.Second)
	setDefault(&c.BehindFlush, 5*time.Second)
	setDefault(&c.LongestRest, 30*time.Second)
	setDefault(&c.EmitInterval, 10*time.Second)
	setDefault(&c.FullEmit, 45*time.Second)
	setDefault(&c.StateInterval, 10*time.Second)
	setDefault(&c.PageRows, 4_000)
	setDefault(&c.Desks, runtime.GOMAXPROCS(0))
	setDefault(&c.SlotRetention, 26*time.Hour)
	setDefault(&c.StallAfter, 30*time.Second)
	setDefault(&c.RetryLease, 2*time.Second)
	if len(c.Partitions) == 0 {
		for p := range events.FlowPartitions {
			c.Partitions = append(c.Partitions, p)
		}
	}
	if c.Machine == nil {
		c.Machine = time.Now //nolint:forbidigo // the default of an injected clock
	}
	if c.NewID == nil {
		c.NewID = func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	}
	if c.Step == nil {
		c.Step = func(string) {}
	}
	return c
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
