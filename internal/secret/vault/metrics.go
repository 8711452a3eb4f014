package vault

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/fault"
)

type metrics struct {
	operations *prometheus.CounterVec
	readings   *prometheus.CounterVec
	version    prometheus.Gauge
	renewed    *prometheus.CounterVec
	stale      *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_secrets_operations_total",
			Help: "Secrets sealed and opened, by outcome: ok; unavailable: no ring or not its key; refused: not what was sealed there."}, []string{"operation", "outcome"}),
		readings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_secrets_ring_readings_total", Help: "Readings of the ring of keys, by outcome."}, []string{"outcome"}),
		version:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "ezscale_secrets_ring_version", Help: "Version of the ring that this process seals and opens with; 0: none."}),
		renewed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_secrets_renewed_total",
			Help: "Values that renewal went over, by outcome: renewed; changed: somebody else wrote it meanwhile; failed: does not open."}, []string{"column", "outcome"}),
		stale: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ezscale_secrets_stale_values", Help: "Values by another key of the ring than the primary, as renewal last saw it."}, []string{"column"}),
	}
	reg.MustRegister(m.operations, m.readings, m.version, m.renewed, m.stale)
	return m
}

func (m *metrics) count(operation string, err error) {
	outcome := "ok"
	switch {
	case fault.Is(err, fault.Unavailable):
		outcome = "unavailable"
	case err != nil:
		outcome = "refused"
	}
	m.operations.WithLabelValues(operation, outcome).Inc()
}

func (m *metrics) read(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.readings.WithLabelValues(outcome).Inc()
}
