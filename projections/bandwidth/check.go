package bandwidth

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/projections"
	"github.com/ezscale/platform/schemas/events"
)

var (
	//go:embed check_span.sql
	checkSpanSQL string
	//go:embed check_hours.sql
	checkHoursSQL string
)

const (
	checkStep = time.Hour   // compared at a time: as many rows in memory as there are services
	firstWait = time.Second // for the first message of a partition
)

// Check compares every service's every hour of table with Postgres, to the byte. It leaves out what may still
// change: hours that a meter is not past, and minutes that are not emitted; and what the topic has dropped
// while usage_slot does not have it either. The error wraps projections.ErrDiffers and names the first difference.
func (m *UsageMinute) Check(ctx context.Context, table string) error {
	from, to, err := m.span(ctx)
	if err != nil {
		return err
	}
	for ; from.Before(to); from = from.Add(checkStep) {
		end := from.Add(checkStep)
		if to.Before(end) {
			end = to
		}
		if err := m.compare(ctx, table, from, end); err != nil {
			return err
		}
	}
	return nil
}

// span is the time that can be compared, in whole hours.
func (m *UsageMinute) span(ctx context.Context) (from, to time.Time, err error) {
	var first, last *time.Time
	if err := m.pool.QueryRow(ctx, checkSpanSQL).Scan(&first, &last); err != nil {
		return from, to, fmt.Errorf("find what can be compared: %w", err)
	}
	if first == nil || last == nil {
		return from, to, nil
	}
	kept, err := m.keptFrom(ctx)
	if err != nil {
		return from, to, err
	}
	from = first.UTC()
	if kept.After(from) {
		from = kept.Truncate(time.Hour).Add(time.Hour)
	}
	return from, last.UTC(), nil
}

// keptFrom is the start of the oldest window in each partition of the topic that has lost some, the latest of
// them: before it windows may be missing. Zero when nothing was dropped.
func (m *UsageMinute) keptFrom(ctx context.Context) (kept time.Time, err error) {
	for p := range events.UsagePartitions {
		first, next, err := m.kafka.Offsets(ctx, m.topic, p)
		if err != nil {
			return kept, err
		}
		if first == 0 || first == next {
			continue
		}
		start, err := m.startAt(ctx, p, first)
		if err != nil {
			return kept, err
		}
		if start.After(kept) {
			kept = start
		}
	}
	return kept, nil
}

var errSeen = errors.New("seen")

func (m *UsageMinute) startAt(ctx context.Context, partition int, offset int64) (start time.Time, err error) {
	reader, err := m.kafka.OpenReader(ctx, m.topic, partition, offset)
	if err != nil {
		return start, err
	}
	defer reader.Close()
	_, err = reader.Fetch(ctx, firstWait, func(r kafka.Record) error {
		var u events.UsageWindow
		if err := json.Unmarshal(r.Value, &u); err != nil {
			return fmt.Errorf("%w: %w", ErrWindow, err)
		}
		start = u.Start
		return errSeen
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return start, err
}

type hourKey struct {
	service uuid.UUID
	hour    int64 // Unix seconds
}

func (m *UsageMinute) compare(ctx context.Context, table string, from, to time.Time) error {
	want, err := m.inPostgres(ctx, from, to)
	if err != nil {
		return err
	}
	got, err := m.inClickHouse(ctx, table, from, to)
	if err != nil {
		return err
	}
	for key, a := range want {
		if got[key] != a {
			return fmt.Errorf("%w: service %s in the hour of %s: Postgres has %+v, %s has %+v",
				projections.ErrDiffers, key.service, time.Unix(key.hour, 0).UTC().Format(time.RFC3339), a, table, got[key])
		}
	}
	for key, a := range got {
		if _, ok := want[key]; !ok && a != (amounts{}) {
			return fmt.Errorf("%w: service %s in the hour of %s: only %s has it, %+v",
				projections.ErrDiffers, key.service, time.Unix(key.hour, 0).UTC().Format(time.RFC3339), table, a)
		}
	}
	return nil
}

func (m *UsageMinute) inPostgres(ctx context.Context, from, to time.Time) (map[hourKey]amounts, error) {
	found, err := m.pool.Query(ctx, checkHoursSQL, from, to)
	if err != nil {
		return nil, fmt.Errorf("read hours from Postgres: %w", err)
	}
	sums := map[hourKey]amounts{}
	var service uuid.UUID
	var hour time.Time
	var a amounts
	_, err = pgx.ForEachRow(found, []any{&service, &hour, &a.BytesInL2, &a.BytesOutL2, &a.BytesInL3, &a.BytesOutL3,
		&a.PacketsIn, &a.PacketsOut, &a.SamplesIn, &a.SamplesOut}, func() error {
		sums[hourKey{service, hour.Unix()}] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read hours from Postgres: %w", err)
	}
	return sums, nil
}

const minutesSQL = `
select m.service_id, toStartOfHour(m.start) as hour, sum(m.bytes_in_l2), sum(m.bytes_out_l2), sum(m.bytes_in_l3), sum(m.bytes_out_l3),
	sum(m.packets_in), sum(m.packets_out), sum(m.samples_in), sum(m.samples_out)
from %s as m final
where m.start >= ? and m.start < ?
group by m.service_id, hour
settings do_not_merge_across_partitions_select_final = 1`

func (m *UsageMinute) inClickHouse(ctx context.Context, table string, from, to time.Time) (map[hourKey]amounts, error) {
	found, err := m.click.Query(ctx, fmt.Sprintf(minutesSQL, table), from, to)
	if err != nil {
		return nil, fmt.Errorf("read hours from %s: %w", table, err)
	}
	defer found.Close()
	sums := map[hourKey]amounts{}
	for found.Next() {
		var service uuid.UUID
		var hour time.Time
		var a amounts
		if err := found.Scan(&service, &hour, &a.BytesInL2, &a.BytesOutL2, &a.BytesInL3, &a.BytesOutL3,
			&a.PacketsIn, &a.PacketsOut, &a.SamplesIn, &a.SamplesOut); err != nil {
			return nil, fmt.Errorf("read hours from %s: %w", table, err)
		}
		sums[hourKey{service, hour.Unix()}] = a
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("read hours from %s: %w", table, err)
	}
	return sums, nil
}
