package ephemeral

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	put, taken, gone, full *prometheus.CounterVec
	failures, swept        prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	perKind := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_ephemeral_" + name, Help: help}, []string{"kind"})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ezscale_ephemeral_" + name, Help: help})
	}
	m := &metrics{
		put:      perKind("put_total", "Values put."),
		taken:    perKind("taken_total", "Values taken."),
		gone:     perKind("gone_total", "Takes that found nothing: expired, taken before, or never put."),
		full:     perKind("full_total", "Values refused because their kind has no room."),
		failures: counter("failures_total", "Calls that Postgres did not answer."),
		swept:    counter("swept_total", "Values removed because they had expired."),
	}
	reg.MustRegister(m.put, m.taken, m.gone, m.full, m.failures, m.swept)
	return m
}
