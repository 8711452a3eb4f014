package bench

import (
	"context"
	"sync"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/child"
	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/cmd/ezscale/bench/stage"
)

const (
	watchEvery  = 200 * time.Millisecond
	stallBound  = 30 * time.Second // without progress after the last datagram: measured as it is
	countedPoll = 100 * time.Millisecond
)

// Row is one measurement of the pipeline.
type Row struct {
	Scenario            string  `json:"scenario"`
	Exporters           int     `json:"exporters"`
	Services            int     `json:"services"`
	Rate                float64 `json:"rate"`    // datagrams a second that were sent
	Seconds             float64 `json:"seconds"` // of sending
	Offered             int64   `json:"offered"` // datagrams
	Counted             int64   `json:"counted"` // datagrams
	Lost                int64   `json:"lost"`
	KernelDrops         int64   `json:"kernel_drops"`
	SpoolDrops          int64   `json:"spool_drops"`
	SamplesPerCPUSecond float64 `json:"samples_per_cpu_second"`
	CollectorCPU        float64 `json:"collector_cpu_seconds"`
	MeterCPU            float64 `json:"meter_cpu_seconds"`
	CollectorRSS        int64   `json:"collector_rss_bytes"` // the most that was seen
	MeterRSS            int64   `json:"meter_rss_bytes"`
	RSS                 int64   `json:"rss_bytes"`           // the most of both together, the program's file, which they share, once
	GraphDelay          float64 `json:"graph_delay_seconds"` // the most that an exporter's counters were behind while datagrams came
	CaughtUp            float64 `json:"caught_up_seconds"`   // from the last datagram, or the meter's start, until all was counted
	Books               string  `json:"books"`               // what comparing counters with what was sent gave
	CatchUpRate         float64 `json:"catch_up_samples_per_second,omitempty"`
}

// watch reads memory and delay until its context ends.
type watch struct {
	stage   *stage.Stage
	sending bool
	began   time.Time
	mu      sync.Mutex
	row     *Row
	waiting sync.WaitGroup
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look(ctx)
		}
	}
}

func (w *watch) look(ctx context.Context) {
	collector, meter := resident(w.stage.Collector), resident(w.stage.Meter)
	delay, heard, err := w.stage.Delay(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.row.CollectorRSS, w.row.MeterRSS = max(w.row.CollectorRSS, collector.Resident()), max(w.row.MeterRSS, meter.Resident())
	w.row.RSS = max(w.row.RSS, collector.Private+meter.Private+max(collector.Shared, meter.Shared))
	if sending := time.Since(w.began); w.sending && err == nil {
		if heard { // and what was heard in an earlier run is no older than this one
			sending = min(sending, delay)
		}
		w.row.GraphDelay = max(w.row.GraphDelay, sending.Seconds())
	}
}

// sent ends the watch of delays.
func (w *watch) sent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sending = false
}

func resident(p *child.Process) child.Usage {
	if p == nil {
		return child.Usage{}
	}
	usage, err := p.Usage()
	if err != nil {
		return child.Usage{}
	}
	return usage
}

func cpu(p *child.Process) (time.Duration, error) {
	if p == nil {
		return 0, nil
	}
	if err := p.Running(); err != nil {
		return 0, err
	}
	usage, err := p.Usage()
	return usage.CPU, err
}

// spent is the processor time of both roles.
type spent struct{ collector, meter time.Duration }

func spentBy(s *stage.Stage) (now spent, err error) {
	if now.collector, err = cpu(s.Collector); err != nil {
		return now, err
	}
	now.meter, err = cpu(s.Meter)
	return now, err
}

// measure sends at a rate and waits until everything is counted or known to be lost.
func measure(ctx context.Context, s *stage.Stage, row Row, t load.Task) (Row, error) {
	before, err := s.Books(ctx)
	if err != nil {
		return row, err
	}
	begun, err := spentBy(s)
	if err != nil {
		return row, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	w := &watch{stage: s, row: &row, sending: true, began: time.Now()}
	w.waiting.Go(func() { w.run(watching) })
	sent, err := s.Send(ctx, t)
	w.sent()
	if err != nil {
		return row, err
	}
	ended := time.Now()
	if err := awaitCounted(ctx, s, before.Datagrams+lost(before)+sent.Datagrams); err != nil {
		return row, err
	}
	stop()
	w.waiting.Wait()
	row.CaughtUp = time.Since(ended).Seconds()
	if err := row.account(s, begun, sent); err != nil {
		return row, err
	}
	return row, row.compare(ctx, s, before, sent)
}
