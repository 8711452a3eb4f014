package meter

import (
	"cmp"
	_ "embed"
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/count"
)

var (
	//go:embed sql/usage_hourly.sql
	usageHourlySQL string
	//go:embed sql/usage_slot.sql
	usageSlotSQL string
	//go:embed sql/usage_pending.sql
	usagePendingSQL string
	//go:embed sql/usage_late.sql
	usageLateSQL string
	//go:embed sql/loss_hourly.sql
	lossHourlySQL string
	//go:embed sql/loss_minute.sql
	lossMinuteSQL string
	//go:embed sql/reject_hourly.sql
	rejectHourlySQL string
	//go:embed sql/quarantine_hourly.sql
	quarantineHourlySQL string
	//go:embed sql/unattributed_hourly.sql
	unattributedHourlySQL string
	//go:embed sql/port.sql
	portSQL string
	//go:embed sql/exporter_seen.sql
	exporterSeenSQL string
)

// queueUsage puts all usage but the cycles into a batch.
func (v *view) queueUsage(b *pgx.Batch, r *rows, partition int, flush int64) {
	serviceOf := func(k serviceTime) uuid.UUID { return v.services[k.service].id }
	if keys := r.hourly.keys; len(keys) > 0 {
		b.Queue(usageHourlySQL, append([]any{
			ids(keys, func(k hourKey) uuid.UUID { return v.services[k.service].id }),
			ids(keys, func(k hourKey) uuid.UUID { return v.exporters[k.exporter] }),
			array(keys, func(k hourKey) time.Time { return hourTime(k.hour) }),
		}, columns(r.hourly.sums)...)...)
	}
	if keys := r.slots.keys; len(keys) > 0 {
		arguments := append([]any{
			ids(keys, serviceOf),
			array(keys, func(k serviceTime) time.Time { return slotTime(k.time) }),
		}, columns(r.slots.sums)...)
		b.Queue(usageSlotSQL, append(arguments, partition, flush)...)
	}
	hours := func(keys []serviceTime) []time.Time {
		return array(keys, func(k serviceTime) time.Time { return hourTime(k.time) })
	}
	if keys := r.pending.keys; len(keys) > 0 {
		b.Queue(usagePendingSQL, append([]any{partition, ids(keys, serviceOf), hours(keys)}, columns(r.pending.sums)...)...)
	}
	if keys := r.late.keys; len(keys) > 0 {
		b.Queue(usageLateSQL, append([]any{ids(keys, serviceOf), hours(keys)}, columns(r.late.sums)...)...)
	}
}

// queueBooks puts everything that is not usage into a batch.
func (v *view) queueBooks(b *pgx.Batch, t *count.Tally) {
	v.queueLoss(b, t)
	v.queueRejects(b, t)
	v.queueQuarantine(b, t)
	v.queueUnattributed(b, t)
	v.queuePorts(b, t)
	v.queueSeen(b, t)
}

func (v *view) exporterOf(k count.ExporterTime) uuid.UUID { return v.exporters[k.Exporter] }

func (v *view) queueLoss(b *pgx.Batch, t *count.Tally) {
	if hours := keysOf(t.Losses); len(hours) > 0 {
		arguments := []any{ids(hours, v.exporterOf), array(hours, func(k count.ExporterTime) time.Time { return hourTime(k.Time) })}
		for _, column := range lossColumns() {
			arguments = append(arguments, array(hours, func(k count.ExporterTime) int64 { return column(t.Losses[k]) }))
		}
		b.Queue(lossHourlySQL, arguments...)
	}
	if minutes := keysOf(t.Minutes); len(minutes) > 0 {
		b.Queue(lossMinuteSQL, ids(minutes, v.exporterOf),
			array(minutes, func(k count.ExporterTime) time.Time { return minuteTime(k.Time) }),
			array(minutes, func(k count.ExporterTime) int64 { return t.Minutes[k].Datagrams }),
			array(minutes, func(k count.ExporterTime) int64 { return t.Minutes[k].Lost }))
	}
}

// lossColumns are the columns of loss_hourly in the order of its statement.
func lossColumns() []func(*count.Loss) int64 {
	return []func(*count.Loss) int64{
		func(l *count.Loss) int64 { return l.Datagrams }, func(l *count.Loss) int64 { return l.DatagramsLost },
		func(l *count.Loss) int64 { return l.DatagramsDuplicate }, func(l *count.Loss) int64 { return l.DatagramsRejected },
		func(l *count.Loss) int64 { return l.Restarts }, func(l *count.Loss) int64 { return l.Samples },
		func(l *count.Loss) int64 { return l.SamplesEvidence }, func(l *count.Loss) int64 { return l.SamplesLost },
		func(l *count.Loss) int64 { return l.SamplesDropped }, func(l *count.Loss) int64 { return l.SamplesQuarantined },
		func(l *count.Loss) int64 { return l.SamplesWithoutIP }, func(l *count.Loss) int64 { return l.SamplesRejected },
		func(l *count.Loss) int64 { return l.SamplesUnattributed }, func(l *count.Loss) int64 { return l.BytesUnattributedL2 },
		func(l *count.Loss) int64 { return l.CounterSamples }, func(l *count.Loss) int64 { return l.DiscardSamples },
		func(l *count.Loss) int64 { return l.SamplesUnknown }, func(l *count.Loss) int64 { return l.KernelDrops },
		func(l *count.Loss) int64 { return l.SpoolDrops },
	}
}

func (v *view) queueRejects(b *pgx.Batch, t *count.Tally) {
	keys := keysOf(t.Rejects)
	if len(keys) == 0 {
		return
	}
	b.Queue(rejectHourlySQL,
		ids(keys, func(k count.RejectKey) uuid.UUID { return v.exporters[k.Exporter] }),
		array(keys, func(k count.RejectKey) time.Time { return hourTime(k.Time) }),
		array(keys, func(k count.RejectKey) string { return k.Reason }),
		array(keys, func(k count.RejectKey) int64 { return t.Rejects[k] }))
}

func (v *view) queueQuarantine(b *pgx.Batch, t *count.Tally) {
	keys := keysOf(t.Quarantine)
	if len(keys) == 0 {
		return
	}
	direction := map[bool]string{true: "in", false: "out"}
	b.Queue(quarantineHourlySQL,
		ids(keys, func(k count.QuarantineKey) uuid.UUID { return v.exporters[k.Exporter] }),
		array(keys, func(k count.QuarantineKey) time.Time { return hourTime(k.Time) }),
		ids(keys, func(k count.QuarantineKey) uuid.UUID { return v.services[k.Service].id }),
		array(keys, func(k count.QuarantineKey) string { return direction[k.In] }),
		array(keys, func(k count.QuarantineKey) int64 { return int64(k.Rate) }),
		array(keys, func(k count.QuarantineKey) int64 { return t.Quarantine[k].Samples }),
		array(keys, func(k count.QuarantineKey) int64 { return t.Quarantine[k].FrameLength }),
		array(keys, func(k count.QuarantineKey) int64 { return t.Quarantine[k].IPLength }))
}

func (v *view) queueUnattributed(b *pgx.Batch, t *count.Tally) {
	all := largest(t.Unattributed)
	keys := keysOf(all)
	if len(keys) == 0 {
		return
	}
	b.Queue(unattributedHourlySQL,
		ids(keys, func(k count.AddressKey) uuid.UUID { return v.exporters[k.Exporter] }),
		array(keys, func(k count.AddressKey) time.Time { return hourTime(k.Time) }),
		array(keys, func(k count.AddressKey) netip.Addr { return k.Address }),
		array(keys, func(k count.AddressKey) int64 { return all[k].BytesL2 }),
		array(keys, func(k count.AddressKey) int64 { return all[k].BytesL3 }),
		array(keys, func(k count.AddressKey) int64 { return all[k].Packets }),
		array(keys, func(k count.AddressKey) int64 { return all[k].Samples }), maxAddresses)
}

// largest keeps the addresses with the most bytes of each exporter's hour; the others go where the table's bound
// would put them anyway.
func largest(all map[count.AddressKey]count.Unattributed) map[count.AddressKey]count.Unattributed {
	if len(all) <= maxAddresses {
		return all
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b count.AddressKey) int {
		return cmp.Or(cmp.Compare(all[b].BytesL2, all[a].BytesL2), a.Address.Compare(b.Address))
	})
	taken := map[count.ExporterTime]int{}
	kept := map[count.AddressKey]count.Unattributed{}
	for _, k := range keys {
		to := k
		if taken[k.ExporterTime]++; taken[k.ExporterTime] > maxAddresses {
			to.Address = count.Elsewhere()
		}
		u, more := kept[to], all[k]
		kept[to] = count.Unattributed{
			BytesL2: u.BytesL2 + more.BytesL2, BytesL3: u.BytesL3 + more.BytesL3, Packets: u.Packets + more.Packets, Samples: u.Samples + more.Samples,
		}
	}
	return kept
}

func (v *view) queuePorts(b *pgx.Batch, t *count.Tally) {
	keys := keysOf(t.Ports)
	if len(keys) == 0 {
		return
	}
	b.Queue(portSQL,
		ids(keys, func(k count.PortKey) uuid.UUID { return v.exporters[k.Exporter] }),
		array(keys, func(k count.PortKey) int64 { return int64(k.Index) }),
		array(keys, func(k count.PortKey) int64 { return int64(t.Ports[k].Type) }),
		array(keys, func(k count.PortKey) pgtype.Numeric { return numeric(t.Ports[k].Speed) }),
		array(keys, func(k count.PortKey) pgtype.Numeric { return numeric(t.Ports[k].OctetsIn) }),
		array(keys, func(k count.PortKey) pgtype.Numeric { return numeric(t.Ports[k].OctetsOut) }),
		array(keys, func(k count.PortKey) time.Time { return nanoTime(t.Ports[k].At) }),
		array(keys, func(k count.PortKey) int64 { return int64(t.Ports[k].Rate) }))
}

func numeric(n uint64) pgtype.Numeric {
	return pgtype.Numeric{Int: new(big.Int).SetUint64(n), Valid: true}
}

func (v *view) queueSeen(b *pgx.Batch, t *count.Tally) {
	keys := keysOf(t.Heard)
	if len(keys) == 0 {
		return
	}
	b.Queue(exporterSeenSQL,
		ids(keys, func(k int32) uuid.UUID { return v.exporters[k] }),
		array(keys, func(k int32) time.Time { return nanoTime(t.Heard[k].First) }),
		array(keys, func(k int32) time.Time { return nanoTime(t.Heard[k].Last) }),
		array(keys, func(k int32) netip.Addr { return t.Heard[k].Agent }),
		array(keys, func(k int32) int32 { return int32(t.Heard[k].SubAgents) }))
}

func keysOf[K comparable, V any](m map[K]V) []K { return slices.Collect(maps.Keys(m)) }
