package cloudflare

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	verifications, fetches *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, age func() float64) metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_cloudflare_access_" + name, Help: help}, []string{"outcome"})
	}
	m := metrics{
		verifications: counter("verifications_total", "Assertions looked at: ok, unavailable, or why they were refused."),
		fetches:       counter("fetches_total", "Fetches of the team's keys, by outcome."),
	}
	reg.MustRegister(m.verifications, m.fetches, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ezscale_cloudflare_access_keys_age_seconds", Help: "Since the keys in use were fetched; from 86400 on nobody passes. Infinite before the first fetch."}, age))
	return m
}

func (m metrics) verified(err error) {
	outcome := "ok"
	if reason := Reason(""); errors.As(err, &reason) {
		outcome = string(reason)
	} else if err != nil {
		outcome = "unavailable"
	}
	m.verifications.WithLabelValues(outcome).Inc()
}

func (m metrics) fetched(err error) {
	m.fetches.WithLabelValues(fetchOutcome(err)).Inc()
}

func fetchOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errStatus):
		return "status"
	case errors.Is(err, errRedirect):
		return "redirect"
	case errors.Is(err, errTooLarge):
		return "too_large"
	case errors.Is(err, errContent):
		return "content"
	case errors.Is(err, errUnusable):
		return "unusable"
	default:
		return "unreachable"
	}
}
