package bandwidth

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/projections"
)

//go:embed backfill.sql
var backfillSQL string

// backfillPage is how many minutes are taken from usage_slot at a time.
const backfillPage = 5_000

var _ projections.Source = (*UsageMinute)(nil)

// CreateTable makes a table like the live one.
func (m *UsageMinute) CreateTable(ctx context.Context, table string) error {
	if err := m.click.Exec(ctx, fmt.Sprintf("create table if not exists %s as %s", table, Name)); err != nil {
		return fmt.Errorf("make table %s: %w", table, err)
	}
	return nil
}

// cursor is the last minute that was copied.
type cursor struct {
	Minute  time.Time `json:"minute"`
	Service uuid.UUID `json:"service"`
}

// Backfill copies the minutes of usage_slot.
func (m *UsageMinute) Backfill(ctx context.Context, table string, from json.RawMessage) (json.RawMessage, int64, error) {
	last := cursor{Minute: time.Unix(0, 0).UTC()}
	if from != nil {
		if err := json.Unmarshal(from, &last); err != nil {
			return nil, 0, fmt.Errorf("read the cursor: %w", err)
		}
	}
	rows, err := m.minutes(ctx, last)
	if err != nil || len(rows) == 0 {
		return nil, 0, err
	}
	end := rows[len(rows)-1]
	next, err := json.Marshal(cursor{end.start, end.service})
	if err != nil {
		return nil, 0, fmt.Errorf("write the cursor: %w", err)
	}
	count := int64(len(rows))
	return next, count, m.write(ctx, table, rows)
}

// minutes reads the next page of whole minutes.
func (m *UsageMinute) minutes(ctx context.Context, after cursor) ([]row, error) {
	found, err := m.pool.Query(ctx, backfillSQL, after.Minute, after.Service, backfillPage)
	if err != nil {
		return nil, fmt.Errorf("read usage slots: %w", err)
	}
	var rows []row
	var minute, slot time.Time
	var service uuid.UUID
	var version int64
	var a amounts
	_, err = pgx.ForEachRow(found, []any{&minute, &service, &slot, &version, &a.BytesInL2, &a.BytesOutL2, &a.BytesInL3, &a.BytesOutL3,
		&a.PacketsIn, &a.PacketsOut, &a.SamplesIn, &a.SamplesOut}, func() error {
		if n := len(rows); n == 0 || rows[n-1].service != service || !rows[n-1].start.Equal(minute) {
			rows = append(rows, newRow(service, minute.UTC()))
		}
		r := &rows[len(rows)-1]
		r.version += uint64(version)
		r.add(int(slot.Sub(minute)/(slotSeconds*time.Second)), a)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read usage slots: %w", err)
	}
	return rows, nil
}

// BackfillTotal counts the minutes of usage_slot, by the planner's word when there are many.
func (m *UsageMinute) BackfillTotal(ctx context.Context) (int64, error) {
	var slots int64
	if err := m.pool.QueryRow(ctx, "select greatest(reltuples, 0)::bigint from pg_class where oid = 'usage_slot'::regclass").Scan(&slots); err != nil {
		return 0, fmt.Errorf("count usage slots: %w", err)
	}
	return slots / slotCount, nil
}
