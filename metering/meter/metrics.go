package meter

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/metering/meter/count"
)

// metrics are of one process; exporters are not labels, their books are in Postgres.
type metrics struct {
	envelopes     *prometheus.CounterVec // by what became of them
	missing       prometheus.Counter
	datagrams     *prometheus.CounterVec
	samples       *prometheus.CounterVec
	restarts      prometheus.Counter
	drops         *prometheus.CounterVec
	untracked     prometheus.Counter
	forgotten     prometheus.Counter
	lateHours     prometheus.Counter
	pending       prometheus.Counter
	windows       prometheus.Counter
	alerts        prometheus.Counter
	corrections   prometheus.Counter
	retries       prometheus.Counter
	reloads       prometheus.Counter
	pruned        prometheus.Counter
	flushSeconds  prometheus.Histogram
	flushCells    prometheus.Histogram
	emitSeconds   prometheus.Histogram
	stateBytes    prometheus.Gauge
	behind        *prometheus.GaugeVec
	behindSeconds *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		envelopes:     counters("envelopes_total", "Envelopes by what became of them.", "result"),
		missing:       counter("envelopes_missing_total", "Envelopes that a collector numbered but that never came: an alarm."),
		datagrams:     counters("datagrams_total", "Datagrams by what became of them; lost is net of late ones.", "result"),
		samples:       counters("samples_total", "Flow samples by what became of them.", "result"),
		restarts:      counter("restarts_total", "Restarts of agents, seen by their sequences."),
		drops:         counters("drops_total", "Lost datagrams that collectors' drops explain.", "where"),
		untracked:     counter("samples_untracked_total", "Samples of sources over the bound of tracked ones; counted all the same."),
		forgotten:     counter("quarantine_rows_over_bound_total", "Quarantined samples without a row of their own."),
		lateHours:     counter("late_hours_total", "Hours that got usage too late for the graph; it is in the hourly counters."),
		pending:       counter("pending_hours_total", "Hours of usage put aside because no cycle covers them."),
		windows:       counter("windows_emitted_total", "Usage windows written to Kafka."),
		alerts:        counter("alerts_total", "Quota thresholds crossed."),
		corrections:   counter("corrections_total", "Corrections taken into the counters; one of a flush that failed counts again."),
		retries:       counter("flush_retries_total", "Flushes that had to be repeated."),
		reloads:       counter("attribution_views_total", "Times a worker took a newer attribution into use."),
		pruned:        counter("rows_pruned_total", "Old slots and minutes deleted."),
		flushSeconds:  histogram("flush_seconds", "Duration of a flush that was committed, from when it had a desk.", prometheus.ExponentialBuckets(0.002, 2, 14)),
		flushCells:    histogram("flush_cells", "Service slots written by a flush.", prometheus.ExponentialBuckets(1, 4, 10)),
		emitSeconds:   histogram("emit_seconds", "Duration of an emission.", prometheus.ExponentialBuckets(0.002, 2, 14)),
		stateBytes:    prometheus.NewGauge(options("state_bytes", "Size of the newest tracker snapshot.")),
		behind:        prometheus.NewGaugeVec(options("lag_messages", "Messages not yet counted."), []string{"partition"}),
		behindSeconds: prometheus.NewGaugeVec(options("lag_seconds", "Age of the newest datagram counted, while messages wait."), []string{"partition"}),
	}
	reg.MustRegister(m.envelopes, m.missing, m.datagrams, m.samples, m.restarts, m.drops, m.untracked, m.forgotten, m.lateHours, m.pending,
		m.windows, m.alerts, m.corrections, m.retries, m.reloads, m.pruned, m.flushSeconds, m.flushCells, m.emitSeconds, m.stateBytes, m.behind, m.behindSeconds)
	return m
}

func options(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: "ezscale", Subsystem: "meter", Name: name, Help: help}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts(options(name, help)))
}

func counters(name, help, label string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(options(name, help)), []string{label})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "ezscale", Subsystem: "meter", Name: name, Help: help, Buckets: buckets})
}

// committed adds what a committed flush wrote. Lost ones may be taken back, a counter may not: late ones are shown apart.
func (m *metrics) committed(t *count.Tally) {
	for _, l := range t.Losses {
		for result, n := range map[string]int64{
			"counted": l.Datagrams, "lost": max(l.DatagramsLost, 0), "late": max(-l.DatagramsLost, 0),
			"duplicate": l.DatagramsDuplicate, "rejected": l.DatagramsRejected,
		} {
			m.datagrams.WithLabelValues(result).Add(float64(n))
		}
		for result, n := range map[string]int64{
			"counted": l.Samples, "evidence": l.SamplesEvidence, "lost": max(l.SamplesLost, 0), "late": max(-l.SamplesLost, 0),
			"dropped": l.SamplesDropped, "quarantined": l.SamplesQuarantined, "without_ip": l.SamplesWithoutIP,
			"rejected": l.SamplesRejected, "unattributed": l.SamplesUnattributed, "counter": l.CounterSamples,
			"discard": l.DiscardSamples, "unknown": l.SamplesUnknown, "elsewhere": l.SamplesElsewhere,
			"record": l.Records, "record_lost": max(l.RecordsLost, 0), "set_without_template": l.SetsWithoutTemplate,
		} {
			m.samples.WithLabelValues(result).Add(float64(n))
		}
		m.restarts.Add(float64(l.Restarts))
		m.drops.WithLabelValues("kernel").Add(float64(l.KernelDrops))
		m.drops.WithLabelValues("spool").Add(float64(l.SpoolDrops))
	}
	m.untracked.Add(float64(t.Untracked))
	m.forgotten.Add(float64(t.Forgotten))
}
