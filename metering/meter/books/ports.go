package books

import (
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/count/ports"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/ownership"
)

func queuePorts(b *pgx.Batch, v *owners.View, t *count.Tally) {
	keys := keysOf(t.Ports)
	if len(keys) == 0 {
		return
	}
	b.Queue(portSQL,
		IDs(keys, func(k ownership.Port) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k ownership.Port) int64 { return int64(k.Index) }),
		Array(keys, func(k ownership.Port) int64 { return int64(t.Ports[k].Type) }),
		Array(keys, func(k ownership.Port) pgtype.Numeric { return numeric(t.Ports[k].Speed) }),
		Array(keys, func(k ownership.Port) pgtype.Numeric { return numeric(t.Ports[k].OctetsIn) }),
		Array(keys, func(k ownership.Port) pgtype.Numeric { return numeric(t.Ports[k].OctetsOut) }),
		Array(keys, func(k ownership.Port) time.Time { return NanoTime(t.Ports[k].At) }),
		Array(keys, func(k ownership.Port) int64 { return int64(t.Ports[k].Rate) }),
		Array(keys, func(k ownership.Port) int16 { return int16(t.Ports[k].Status) }),
		Array(keys, func(k ownership.Port) string { return t.Ports[k].Name }),
		Array(keys, func(k ownership.Port) int64 { return t.Ports[k].FCSErrors }))
}

func numeric(n uint64) pgtype.Numeric {
	return pgtype.Numeric{Int: new(big.Int).SetUint64(n), Valid: true}
}

func queuePortHours(b *pgx.Batch, v *owners.View, t *count.Tally) {
	keys := keysOf(t.PortHours)
	if len(keys) == 0 {
		return
	}
	arguments := []any{
		IDs(keys, func(k ports.Hour) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k ports.Hour) int64 { return int64(k.Index) }),
		Array(keys, func(k ports.Hour) time.Time { return hourTime(k.Hour) }),
	}
	for _, column := range portColumns() {
		arguments = append(arguments, Array(keys, func(k ports.Hour) int64 { return column(t.PortHours[k]) }))
	}
	b.Queue(portHourlySQL, arguments...)
}

// portColumns are the columns of port_hourly in the order of its statement.
func portColumns() []func(*ports.Use) int64 {
	return []func(*ports.Use) int64{
		func(u *ports.Use) int64 { return u.OctetsIn }, func(u *ports.Use) int64 { return u.OctetsOut },
		func(u *ports.Use) int64 { return u.PacketsIn }, func(u *ports.Use) int64 { return u.PacketsOut },
		func(u *ports.Use) int64 { return u.Readings }, func(u *ports.Use) int64 { return u.Resets },
		func(u *ports.Use) int64 { return u.Implausible }, func(u *ports.Use) int64 { return u.GapSeconds },
		func(u *ports.Use) int64 { return u.FlowIn }, func(u *ports.Use) int64 { return u.FlowOut },
		func(u *ports.Use) int64 { return u.FlowInElsewhere }, func(u *ports.Use) int64 { return u.FlowOutElsewhere },
		func(u *ports.Use) int64 { return u.SamplesIn }, func(u *ports.Use) int64 { return u.SamplesOut },
		func(u *ports.Use) int64 { return u.SamplesInElsewhere }, func(u *ports.Use) int64 { return u.SamplesOutElsewhere },
	}
}

func queuePortRates(b *pgx.Batch, v *owners.View, t *count.Tally) {
	t.SettleRates()
	keys := keysOf(t.Rates)
	if len(keys) == 0 {
		return
	}
	b.Queue(portRateHourlySQL,
		IDs(keys, func(k ports.Rate) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k ports.Rate) int64 { return int64(k.Index) }),
		Array(keys, func(k ports.Rate) time.Time { return hourTime(k.Hour.Hour) }),
		Array(keys, func(k ports.Rate) int64 { return int64(k.Rate) }),
		Array(keys, func(k ports.Rate) int64 { return t.Rates[k] }))
}
