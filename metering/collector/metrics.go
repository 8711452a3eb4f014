package collector

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// totals since start. The way of a datagram touches them once per receive call.
type totals struct {
	datagrams, bytes, kernelDrops, dropped, envelopes, queued atomic.Int64
}

type metrics struct {
	produceErrors, reloadErrors prometheus.Counter
	produceSeconds              prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, c *Collector) *metrics {
	counter := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	m := &metrics{
		produceErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ezscale_collector_produce_errors_total", Help: "Produce requests without a good answer; they are repeated."}),
		reloadErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ezscale_collector_reload_errors_total", Help: "Failed reads of the table of exporters."}),
		produceSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ezscale_collector_produce_seconds", Help: "From a produce request to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
	}
	registerer.MustRegister(m.produceErrors, m.reloadErrors, m.produceSeconds,
		counter("ezscale_collector_datagrams_total", "Datagrams of known exporters.", c.totals.datagrams.Load),
		counter("ezscale_collector_received_bytes_total", "UDP payload of known exporters.", c.totals.bytes.Load),
		counter("ezscale_collector_unknown_datagrams_total", "Datagrams of sources that are no exporter.", c.unknown.Total),
		counter("ezscale_collector_kernel_drops_total", "Datagrams that the sockets' buffers could not hold.", c.totals.kernelDrops.Load),
		counter("ezscale_collector_dropped_datagrams_total", "Datagrams dropped because Kafka took nothing for too long.", c.totals.dropped.Load),
		counter("ezscale_collector_envelopes_total", "Envelopes that Kafka has taken, reports included.", c.totals.envelopes.Load),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ezscale_collector_queue_bytes", Help: "Envelopes in memory that Kafka has not taken yet."},
			func() float64 { return float64(c.totals.queued.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ezscale_collector_spool_bytes", Help: "Envelopes on disk that Kafka has not taken yet."},
			func() float64 { return float64(c.spooled.Used()) }),
	)
	return m
}
