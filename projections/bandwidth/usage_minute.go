// Package bandwidth keeps ClickHouse's usage_minute, what a service's graph is drawn from: one row per service and
// minute out of the windows of usage.v1.
//
// A window is absolute and has a version, so the projection has no memory and no order to keep: whatever is
// written twice, late or in a rebuild beside the live projector, the highest version stays. A batch is split by
// the table's partitions (days), each part one insert that is done or not done as a whole.
//
// Rebuild takes the last day from Postgres' usage_slot and the rest from the topic, which keeps 90 days; both hold
// the same absolute states. Hours are read from Postgres itself (usage_hourly) and need no read model. Check
// compares, hour by hour and to the byte, what the table says with usage_hourly less usage_late; it is the rebuild's
// test and, against the live table, the audit.
package bandwidth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

// Name is the model's name, its consumer's and its table's.
const Name = "usage_minute"

const (
	slotSeconds = 10
	slotCount   = 6
)

// ErrWindow is a message that is no usage window.
var ErrWindow = errors.New("not a usage window")

// UsageMinute is the read model.
type UsageMinute struct {
	pool  *pgxpool.Pool
	kafka *kafka.Client
	click driver.Conn
	topic string
}

// NewUsageMinute makes the model. The pool must be allowed to read usage_slot, usage_hourly, usage_late and meter.
func NewUsageMinute(pool *pgxpool.Pool, client *kafka.Client, click driver.Conn) *UsageMinute {
	return &UsageMinute{pool: pool, kafka: client, click: click, topic: events.TopicUsage}
}

// Name is what operators call it.
func (m *UsageMinute) Name() string { return Name }

// Topic is usage.v1.
func (m *UsageMinute) Topic() (string, int) { return m.topic, events.UsagePartitions }

// Table is what queries read.
func (m *UsageMinute) Table() string { return Name }

// Insert writes the windows of records into table. An error that wraps ErrWindow is a message's fault; all others
// are ClickHouse's, and consumer.ErrUnavailable: no window can be at fault there.
func (m *UsageMinute) Insert(ctx context.Context, table string, records []kafka.Record) error {
	rows := make([]row, 0, len(records))
	for _, record := range records {
		r, err := parse(record.Value)
		if err != nil {
			return fmt.Errorf("offset %d: %w", record.Offset, err)
		}
		rows = append(rows, r)
	}
	return m.write(ctx, table, rows)
}

// amounts are the eight sums of a row, in the order of the table's columns.
type amounts struct {
	BytesInL2, BytesOutL2, BytesInL3, BytesOutL3 int64
	PacketsIn, PacketsOut, SamplesIn, SamplesOut int64
}

// row is a row of usage_minute.
type row struct {
	service uuid.UUID
	start   time.Time
	version uint64
	amounts
	slots [4][]int64 // bytes in and out of L2, then of L3, by ten seconds
}

func newRow(service uuid.UUID, start time.Time) row {
	r := row{service: service, start: start}
	for i := range r.slots {
		r.slots[i] = make([]int64, slotCount)
	}
	return r
}

func (r *row) add(slot int, a amounts) {
	r.BytesInL2 += a.BytesInL2
	r.BytesOutL2 += a.BytesOutL2
	r.BytesInL3 += a.BytesInL3
	r.BytesOutL3 += a.BytesOutL3
	r.PacketsIn += a.PacketsIn
	r.PacketsOut += a.PacketsOut
	r.SamplesIn += a.SamplesIn
	r.SamplesOut += a.SamplesOut
	r.slots[0][slot] += a.BytesInL2
	r.slots[1][slot] += a.BytesOutL2
	r.slots[2][slot] += a.BytesInL3
	r.slots[3][slot] += a.BytesOutL3
}

// parse reads a window.
func parse(value []byte) (row, error) {
	var u events.UsageWindow
	if err := json.Unmarshal(value, &u); err != nil {
		return row{}, fmt.Errorf("%w: %w", ErrWindow, err)
	}
	switch {
	case u.ServiceID == uuid.Nil, u.Version <= 0, len(u.Slots) > slotCount:
		return row{}, fmt.Errorf("%w: service %s, version %d, %d slots", ErrWindow, u.ServiceID, u.Version, len(u.Slots))
	case !u.Start.Equal(u.Start.Truncate(time.Minute)), u.Start.Unix() < 0, u.Start.Unix() >= 1<<32:
		return row{}, fmt.Errorf("%w: start %s", ErrWindow, u.Start)
	}
	r := newRow(u.ServiceID, u.Start.UTC())
	r.version = uint64(u.Version)
	last := -slotSeconds
	for _, s := range u.Slots {
		if s.Offset <= last || s.Offset%slotSeconds != 0 || s.Offset >= slotSeconds*slotCount {
			return row{}, fmt.Errorf("%w: slot at %d s", ErrWindow, s.Offset)
		}
		last = s.Offset
		r.add(s.Offset/slotSeconds, amounts{
			s.BytesInL2, s.BytesOutL2, s.BytesInL3, s.BytesOutL3, s.PacketsIn, s.PacketsOut, s.SamplesIn, s.SamplesOut,
		})
	}
	return r, nil
}

// write inserts rows day by day: one insert touches one partition.
func (m *UsageMinute) write(ctx context.Context, table string, rows []row) error {
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.day(), b.day()) })
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].day() == rows[0].day() {
			n++
		}
		if err := m.insert(ctx, table, rows[:n]); err != nil {
			return fmt.Errorf("write %d usage minutes of %s: %w: %w", n, rows[0].start.Format(time.DateOnly), consumer.ErrUnavailable, err)
		}
		rows = rows[n:]
	}
	return nil
}

func (r *row) day() int64 { return r.start.Unix() / (24 * 3600) }

const insertSQL = `insert into %s (service_id, start, version,
	bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out,
	slot_bytes_in_l2, slot_bytes_out_l2, slot_bytes_in_l3, slot_bytes_out_l3)`

func (m *UsageMinute) insert(ctx context.Context, table string, rows []row) error {
	batch, err := m.click.PrepareBatch(ctx, fmt.Sprintf(insertSQL, table))
	if err != nil {
		return err
	}
	defer batch.Close()
	for i := range rows {
		r := &rows[i]
		if err := batch.Append(r.service, r.start, r.version,
			r.BytesInL2, r.BytesOutL2, r.BytesInL3, r.BytesOutL3, r.PacketsIn, r.PacketsOut, r.SamplesIn, r.SamplesOut,
			r.slots[0], r.slots[1], r.slots[2], r.slots[3]); err != nil {
			return err
		}
	}
	return batch.Send()
}
