package consumer

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	records, duplicates, gaps, parked, retries, failures prometheus.Counter
	leases                                               prometheus.Gauge
	lag                                                  *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ezscale_consumer_" + name, Help: help})
	}
	m := &metrics{
		records:    counter("records_total", "Messages whose effects are committed."),
		duplicates: counter("duplicates_total", "Messages dropped because their producer had sent them before."),
		gaps:       counter("gaps_total", "Times that a producer's numbers jumped: messages are missing."),
		parked:     counter("parked_total", "Messages parked as poison."),
		retries:    counter("retries_total", "Batches repeated after a failure."),
		failures:   counter("failures_total", "Failures of any kind, each one logged."),
		leases:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "ezscale_consumer_leases_count", Help: "Partitions leased by this instance."}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ezscale_consumer_lag_messages", Help: "Messages in the partition that are not yet taken.",
		}, []string{"partition"}),
	}
	reg.MustRegister(m.records, m.duplicates, m.gaps, m.parked, m.retries, m.failures, m.leases, m.lag)
	return m
}

func label(partition int) string { return strconv.Itoa(partition) }
