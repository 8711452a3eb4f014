package billing

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/billable"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

// counted is a service's usage in a period, by the books of the meter.
type counted struct {
	BytesInL2, BytesOutL2, BytesInL3, BytesOutL3, SamplesIn, SamplesOut int64
}

// snapshot is the usage that a revision of a cycle is billed on, with what is known to be missing from it.
type snapshot struct {
	Revision int
	counted
	EstimatedBytes  int64 // by the cycle's basis and direction
	BillableBytes   int64 // of them, those that are billed
	BillableSamples int64
	ErrorBound      *string // percent, decimal; nil: neither samples nor bytes
	known
}

// known is what is known to be missing. Datagrams are lost on the way, or dropped by a collector that could not take them
// (KernelDrops) or keep them (SpoolDrops): the drops say why, and are among the lost.
type known struct {
	DatagramsLost, SamplesLost, RecordsLost int64
	Quarantined                             int64 // samples
	KernelDrops, SpoolDrops                 int64
}

func (k *known) columns() []any {
	return []any{&k.DatagramsLost, &k.SamplesLost, &k.RecordsLost, &k.Quarantined, &k.KernelDrops, &k.SpoolDrops}
}

const (
	selectUsage = `
select coalesce(sum(bytes_in_l2), 0)::bigint, coalesce(sum(bytes_out_l2), 0)::bigint,
       coalesce(sum(bytes_in_l3), 0)::bigint, coalesce(sum(bytes_out_l3), 0)::bigint,
       coalesce(sum(samples_in), 0)::bigint, coalesce(sum(samples_out), 0)::bigint
from usage_hourly
where service_id = $1 and hour >= $2 and hour < $3`

	// Loss is known per exporter, so what is told is that of every exporter that metered the service in the period. What came
	// late may take back more than the period lost: that is no less loss of another exporter.
	// Samples in quarantine are the service's own, and missing as long as nothing is decided about them.
	selectLoss = `
select coalesce(sum(l.datagrams), 0)::bigint, coalesce(sum(l.samples), 0)::bigint, coalesce(sum(l.records), 0)::bigint,
       (select coalesce(sum(samples), 0) from quarantine_open where service_id = $1 and hour >= $2 and hour < $3)::bigint,
       coalesce(sum(l.kernel), 0)::bigint, coalesce(sum(l.spool), 0)::bigint
from (select greatest(sum(datagrams_lost), 0) as datagrams, greatest(sum(samples_lost), 0) as samples, greatest(sum(records_lost), 0) as records,
             sum(kernel_drops) as kernel, sum(spool_drops) as spool
      from loss_hourly
      where hour >= $2 and hour < $3
        and exporter_id in (select exporter_id from usage_hourly where service_id = $1 and hour >= $2 and hour < $3)
      group by exporter_id) l`

	insertSnapshot = `
insert into cycle_snapshot (cycle_id, revision, event_end, stored_before, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3,
    samples_in, samples_out, billable_bytes, billable_samples, error_bound_percent, estimated_bytes,
    datagrams_lost, samples_lost, records_lost, samples_quarantined, kernel_drops, spool_drops)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::numeric, $14, $15, $16, $17, $18, $19, $20)`

	// What snapshot.columns take of a cycle_snapshot s.
	snapshotColumns = `s.revision, s.bytes_in_l2, s.bytes_out_l2, s.bytes_in_l3, s.bytes_out_l3, s.samples_in, s.samples_out, s.billable_bytes,
       s.billable_samples, s.error_bound_percent::text, coalesce(s.estimated_bytes, s.billable_bytes),
       s.datagrams_lost, s.samples_lost, coalesce(s.records_lost, 0), s.samples_quarantined, s.kernel_drops, coalesce(s.spool_drops, 0)`

	// The newest snapshot of a cycle.
	selectSnapshot = `select ` + snapshotColumns + ` from cycle_snapshot s where s.cycle_id = $1 order by s.revision desc limit 1`
)

func readUsage(ctx context.Context, tx pgx.Tx, serviceID uuid.UUID, p period.Period) (counted, error) {
	var u counted
	err := tx.QueryRow(ctx, selectUsage, serviceID, p.From, p.To).
		Scan(&u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3, &u.SamplesIn, &u.SamplesOut)
	if err != nil {
		return u, fmt.Errorf("sum the usage of service %s in %s: %w", serviceID, p, err)
	}
	return u, nil
}

// takeSnapshot writes the usage of a cycle as its next revision.
func takeSnapshot(ctx context.Context, tx pgx.Tx, c cycle, revision int, used counted, now time.Time) (snapshot, events.CycleSnapshotTaken, error) {
	s := snapshot{Revision: revision, counted: used}
	s.EstimatedBytes, s.BillableSamples = used.billable(c.Basis, c.Direction)
	s.BillableBytes = billable.At(c.BillAt, s.EstimatedBytes, s.BillableSamples)
	s.ErrorBound = errorBound(s.EstimatedBytes, s.BillableSamples)
	err := tx.QueryRow(ctx, selectLoss, c.ServiceID, c.Period.From, c.Period.To).Scan(s.known.columns()...)
	if err != nil {
		return s, events.CycleSnapshotTaken{}, fmt.Errorf("sum the known loss of cycle %s: %w", c.ID, err)
	}
	_, err = tx.Exec(ctx, insertSnapshot, c.ID, revision, c.Period.To, now, s.BytesInL2, s.BytesOutL2, s.BytesInL3, s.BytesOutL3,
		s.SamplesIn, s.SamplesOut, s.BillableBytes, s.BillableSamples, s.ErrorBound, s.EstimatedBytes,
		s.DatagramsLost, s.SamplesLost, s.RecordsLost, s.Quarantined, s.KernelDrops, s.SpoolDrops)
	if err != nil {
		return s, events.CycleSnapshotTaken{}, fmt.Errorf("write snapshot %d of cycle %s: %w", revision, c.ID, err)
	}
	return s, events.CycleSnapshotTaken{CycleID: c.ID, ServiceID: c.ServiceID, CustomerID: c.CustomerID, Revision: revision,
		EventEnd: c.Period.To, StoredBefore: now.UTC(), BillableBytes: s.BillableBytes, EstimatedBytes: s.EstimatedBytes}, nil
}

func lastSnapshot(ctx context.Context, tx pgx.Tx, cycleID uuid.UUID) (snapshot, error) {
	var s snapshot
	if err := tx.QueryRow(ctx, selectSnapshot, cycleID).Scan(s.columns()...); err != nil {
		return s, fmt.Errorf("select the last snapshot of cycle %s: %w", cycleID, err)
	}
	return s, nil
}

// columns are where snapshotColumns go.
func (s *snapshot) columns() []any {
	return append([]any{&s.Revision, &s.BytesInL2, &s.BytesOutL2, &s.BytesInL3, &s.BytesOutL3, &s.SamplesIn, &s.SamplesOut, &s.BillableBytes, &s.BillableSamples,
		&s.ErrorBound, &s.EstimatedBytes}, s.known.columns()...)
}

// of gives the bytes in and out of a basis.
func (u counted) of(basis string) (in, out int64) {
	if basis == "l3" {
		return u.BytesInL3, u.BytesOutL3
	}
	return u.BytesInL2, u.BytesOutL2
}

// billable picks the bytes that are billed, by direction, and the samples they were estimated from.
func (u counted) billable(basis, direction string) (bytes, samples int64) {
	in, out := u.of(basis)
	billsIn, billsOut := billable.Sides(direction, in, out)
	if billsIn {
		samples += u.SamplesIn
	}
	if billsOut {
		samples += u.SamplesOut
	}
	return billable.Bytes(direction, in, out), samples
}

// errorBound is the 95 % relative error of a count estimated from n samples, at most 196/sqrt(n) per cent
// (sflow.org, packetSamplingBasics), to six places: the integer root of 4 x 196^2 x 10^12 / n, halved and rounded.
// Bytes without samples were counted by a port: they are exact.
func errorBound(bytes, n int64) *string {
	if n <= 0 && bytes != 0 {
		exact := "0.000000"
		return &exact
	}
	if n <= 0 {
		return nil
	}
	x := new(big.Int).Exp(big.NewInt(10), big.NewInt(12), nil)
	x.Mul(x, big.NewInt(4*196*196)).Quo(x, big.NewInt(n))
	millionths := x.Sqrt(x).Add(x, big.NewInt(1)).Rsh(x, 1).Int64()
	text := fmt.Sprintf("%d.%06d", millionths/1_000_000, millionths%1_000_000)
	return &text
}
