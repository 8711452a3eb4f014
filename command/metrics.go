package command

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	runs     *prometheus.CounterVec
	retries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ezscale_command_runs_total", Help: "Commands by what became of them.",
		}, []string{"command", "outcome"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ezscale_command_retries_total", Help: "Transactions repeated after a serialization failure or a deadlock.",
		}, []string{"command"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ezscale_command_duration_seconds", Help: "Time from the call of a command to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"command"}),
	}
	reg.MustRegister(m.runs, m.retries, m.duration)
	return m
}

// start begins to time a command; the function it gives ends it.
func (m *metrics) start(command string) func(outcome string) {
	timer := prometheus.NewTimer(m.duration.WithLabelValues(command))
	return func(outcome string) {
		timer.ObserveDuration()
		m.runs.WithLabelValues(command, outcome).Inc()
	}
}
