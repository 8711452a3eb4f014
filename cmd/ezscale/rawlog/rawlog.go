// Package rawlog is the tools over the raw log: replay a capture file into it, watch it, explain an hour of a service
// from it, and meter a span of it anew.
package rawlog

import (
	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/metering/meter/recount"
)

func recounter(p *operator.Platform) *recount.Recounter {
	return recount.New(recount.Config{Decoder: p.Config.Meter.Decoder, Now: p.Clock.Now, Ahead: p.Clock.Offset()}, p.Pool, p.Kafka)
}
