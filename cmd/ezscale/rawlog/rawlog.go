// Package rawlog is the tools over the raw log: replay a capture file into it, watch it, explain an hour of a service
// from it, and meter a span of it anew.
package rawlog

import (
	"fmt"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/metering/meter/recount"
)

// parseHour reads a time as people write it; it must be a whole hour UTC.
func parseHour(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15", "2006-01-02T15:04", time.DateOnly} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if t = t.UTC(); !t.Equal(t.Truncate(time.Hour)) {
			return t, fmt.Errorf("%q is not a whole hour", text)
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not an hour such as 2026-11-25T03 or 2026-11-25", text)
}

func recounter(p *operator.Platform) *recount.Recounter {
	return recount.New(recount.Config{Decoder: p.Config.Meter.Decoder, Now: p.Clock.Now, Ahead: p.Clock.Offset()}, p.Pool, p.Kafka)
}
