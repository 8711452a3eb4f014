package bandwidth

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// ClickHouse is the part of a connection that a question needs.
type ClickHouse interface {
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// amount is the usage of one step. At is its start in Unix seconds.
type amount struct {
	At         int64 `ch:"at"`
	BytesInL2  int64 `ch:"bytes_in_l2"`
	BytesOutL2 int64 `ch:"bytes_out_l2"`
	BytesInL3  int64 `ch:"bytes_in_l3"`
	BytesOutL3 int64 `ch:"bytes_out_l3"`
}

func (a amount) in(basis string) int64 {
	if basis == "l3" {
		return a.BytesInL3
	}
	return a.BytesInL2
}

func (a amount) out(basis string) int64 {
	if basis == "l3" {
		return a.BytesOutL3
	}
	return a.BytesOutL2
}

//go:embed usage_slots.clickhouse.sql
var usageSlotsClickHouseSQL string

//go:embed usage_minutes.clickhouse.sql
var usageMinutesClickHouseSQL string

//go:embed usage_slots.sql
var usageSlotsSQL string

//go:embed usage_hours.sql
var usageHoursSQL string

// usage reads the steps that had traffic, by their start. The note says what a reader must know of the source.
func (s Sources) usage(ctx context.Context, p seriesPlan, now time.Time) (map[int64]amount, string, error) {
	if p.step >= time.Hour {
		hours, err := stepsOf(ctx, s.Postgres, usageHoursSQL, p.Service, p.step, p.From, p.To)
		return hours, "", err
	}
	live := now.Add(-liveEdge).Truncate(5 * time.Minute) // whole in every fine step
	if live.Before(p.From) {
		live = p.From
	}
	past, note, err := s.past(ctx, p, live)
	if err != nil {
		return nil, "", err
	}
	edge, err := stepsOf(ctx, s.Postgres, usageSlotsSQL, p.Service, p.step, live, p.To)
	if err != nil {
		return nil, "", err
	}
	for at, step := range edge {
		past[at] = step
	}
	return past, note, nil
}

// past reads [From, until) from ClickHouse. When ClickHouse does not answer, the graph is drawn from the slots
// that Postgres still keeps, and says so.
func (s Sources) past(ctx context.Context, p seriesPlan, until time.Time) (map[int64]amount, string, error) {
	if p.To.Before(until) {
		until = p.To
	}
	if !p.From.Before(until) {
		return map[int64]amount{}, "", nil
	}
	if s.ClickHouse != nil {
		steps, err := s.fromClickHouse(ctx, p, until)
		if err == nil {
			return steps, "", nil
		}
		if errors.Is(err, context.Canceled) {
			return nil, "", err
		}
	}
	steps, err := stepsOf(ctx, s.Postgres, usageSlotsSQL, p.Service, p.step, p.From, until)
	return steps, "The read model is not reachable: steps older than about a day may be missing. Billing is not affected.", err
}

func (s Sources) fromClickHouse(ctx context.Context, p seriesPlan, until time.Time) (map[int64]amount, error) {
	var rows []amount
	var err error
	if p.step == slotLength {
		err = s.ClickHouse.Select(ctx, &rows, usageSlotsClickHouseSQL, p.Service.String(), p.From.Truncate(time.Minute).Unix(), until.Unix())
	} else {
		step := int64(p.step / time.Second)
		err = s.ClickHouse.Select(ctx, &rows, usageMinutesClickHouseSQL, step, step, p.Service.String(), p.From.Unix(), until.Unix())
	}
	if err != nil {
		return nil, fmt.Errorf("read usage from ClickHouse: %w", err)
	}
	steps := make(map[int64]amount, len(rows))
	for _, row := range rows {
		if row.At < until.Unix() {
			steps[row.At] = row
		}
	}
	return steps, nil
}

func stepsOf(ctx context.Context, db query.Postgres, sql string, service uuid.UUID, step time.Duration, from, to time.Time) (map[int64]amount, error) {
	rows, err := query.All[amount](ctx, db, sql, service, int64(step/time.Second), from, to)
	if err != nil {
		return nil, err
	}
	steps := make(map[int64]amount, len(rows))
	for _, row := range rows {
		steps[row.At] = row
	}
	return steps, nil
}
