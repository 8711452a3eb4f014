package limiter

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	allowed, failures, swept prometheus.Counter
	refused                  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ezscale_limiter_" + name, Help: help})
	}
	m := &metrics{
		allowed:  counter("allowed_total", "Attempts that found a token in each of their buckets."),
		failures: counter("failures_total", "Calls that Postgres did not answer: the attempt was not allowed."),
		swept:    counter("swept_total", "Buckets removed because they were full again."),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ezscale_limiter_refused_total", Help: "Attempts refused, by the limit with the longest to wait.",
		}, []string{"limit"}),
	}
	reg.MustRegister(m.allowed, m.failures, m.swept, m.refused)
	return m
}
