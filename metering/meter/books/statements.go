package books

import (
	"cmp"
	_ "embed"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/owners"
)

var (
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
	//go:embed sql/usage_evidence.sql
	usageEvidenceSQL string
	//go:embed sql/port_hourly.sql
	portHourlySQL string
	//go:embed sql/port_rate_hourly.sql
	portRateHourlySQL string
	//go:embed sql/port.sql
	portSQL string
	//go:embed sql/exporter_seen.sql
	exporterSeenSQL string
)

// maxAddresses bounds the unattributed addresses of an exporter and hour.
const maxAddresses = 1_000

// Besides puts everything that is not usage into a batch.
func Besides(b *pgx.Batch, v *owners.View, t *count.Tally) {
	queueLoss(b, v, t)
	queueRejects(b, v, t)
	queueQuarantine(b, v, t)
	queueUnattributed(b, v, t)
	queueEvidence(b, v, t)
	queuePorts(b, v, t)
	queuePortHours(b, v, t)
	queuePortRates(b, v, t)
	queueSeen(b, v, t)
}

func queueEvidence(b *pgx.Batch, v *owners.View, t *count.Tally) {
	keys := keysOf(t.Evidence)
	if len(keys) == 0 {
		return
	}
	sums := make([]count.Usage, len(keys))
	for i, k := range keys {
		sums[i] = *t.Evidence[k]
	}
	b.Queue(usageEvidenceSQL, append([]any{
		IDs(keys, func(k count.EvidenceKey) uuid.UUID { return v.Services[k.Service].ID }),
		IDs(keys, func(k count.EvidenceKey) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k count.EvidenceKey) time.Time { return hourTime(k.Hour) }),
		Array(keys, func(k count.EvidenceKey) string { return k.Reason.String() }),
	}, countColumns(&Arena{}, sums)...)...)
}

func exporterOf(v *owners.View) func(count.ExporterTime) uuid.UUID {
	return func(k count.ExporterTime) uuid.UUID { return v.ExporterIDs[k.Exporter] }
}

func queueLoss(b *pgx.Batch, v *owners.View, t *count.Tally) {
	if hours := keysOf(t.Losses); len(hours) > 0 {
		arguments := []any{IDs(hours, exporterOf(v)), Array(hours, func(k count.ExporterTime) time.Time { return hourTime(k.Time) })}
		for _, column := range lossColumns() {
			arguments = append(arguments, Array(hours, func(k count.ExporterTime) int64 { return column(t.Losses[k]) }))
		}
		b.Queue(lossHourlySQL, arguments...)
	}
	if minutes := keysOf(t.Minutes); len(minutes) > 0 {
		b.Queue(lossMinuteSQL, IDs(minutes, exporterOf(v)),
			Array(minutes, func(k count.ExporterTime) time.Time { return MinuteTime(k.Time) }),
			Array(minutes, func(k count.ExporterTime) int64 { return t.Minutes[k].Datagrams }),
			Array(minutes, func(k count.ExporterTime) int64 { return t.Minutes[k].Lost }))
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
		func(l *count.Loss) int64 { return l.SpoolDrops }, func(l *count.Loss) int64 { return l.Records },
		func(l *count.Loss) int64 { return l.RecordsLost }, func(l *count.Loss) int64 { return l.SetsWithoutTemplate },
		func(l *count.Loss) int64 { return l.SamplesElsewhere },
	}
}

func queueRejects(b *pgx.Batch, v *owners.View, t *count.Tally) {
	keys := keysOf(t.Rejects)
	if len(keys) == 0 {
		return
	}
	b.Queue(rejectHourlySQL,
		IDs(keys, func(k count.RejectKey) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k count.RejectKey) time.Time { return hourTime(k.Time) }),
		Array(keys, func(k count.RejectKey) string { return k.Reason }),
		Array(keys, func(k count.RejectKey) int64 { return t.Rejects[k] }))
}

func queueQuarantine(b *pgx.Batch, v *owners.View, t *count.Tally) {
	keys := keysOf(t.Quarantine)
	if len(keys) == 0 {
		return
	}
	direction := map[bool]string{true: "in", false: "out"}
	b.Queue(quarantineHourlySQL,
		IDs(keys, func(k count.QuarantineKey) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k count.QuarantineKey) time.Time { return hourTime(k.Time) }),
		IDs(keys, func(k count.QuarantineKey) uuid.UUID { return v.Services[k.Service].ID }),
		Array(keys, func(k count.QuarantineKey) string { return direction[k.In] }),
		Array(keys, func(k count.QuarantineKey) int64 { return int64(k.Rate) }),
		Array(keys, func(k count.QuarantineKey) int64 { return t.Quarantine[k].Samples }),
		Array(keys, func(k count.QuarantineKey) int64 { return t.Quarantine[k].FrameLength }),
		Array(keys, func(k count.QuarantineKey) int64 { return t.Quarantine[k].IPLength }))
}

func queueUnattributed(b *pgx.Batch, v *owners.View, t *count.Tally) {
	all := largest(t.Unattributed)
	keys := keysOf(all)
	if len(keys) == 0 {
		return
	}
	b.Queue(unattributedHourlySQL,
		IDs(keys, func(k count.AddressKey) uuid.UUID { return v.ExporterIDs[k.Exporter] }),
		Array(keys, func(k count.AddressKey) time.Time { return hourTime(k.Time) }),
		Array(keys, func(k count.AddressKey) netip.Addr { return k.Address }),
		Array(keys, func(k count.AddressKey) int64 { return all[k].BytesL2 }),
		Array(keys, func(k count.AddressKey) int64 { return all[k].BytesL3 }),
		Array(keys, func(k count.AddressKey) int64 { return all[k].Packets }),
		Array(keys, func(k count.AddressKey) int64 { return all[k].Samples }), maxAddresses)
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

func queueSeen(b *pgx.Batch, v *owners.View, t *count.Tally) {
	keys := keysOf(t.Heard)
	if len(keys) == 0 {
		return
	}
	b.Queue(exporterSeenSQL,
		IDs(keys, func(k int32) uuid.UUID { return v.ExporterIDs[k] }),
		Array(keys, func(k int32) time.Time { return NanoTime(t.Heard[k].First) }),
		Array(keys, func(k int32) time.Time { return NanoTime(t.Heard[k].Last) }),
		Array(keys, func(k int32) netip.Addr { return t.Heard[k].Agent }),
		Array(keys, func(k int32) int32 { return int32(t.Heard[k].SubAgents) }))
}

func keysOf[K comparable, V any](m map[K]V) []K { return slices.Collect(maps.Keys(m)) }
