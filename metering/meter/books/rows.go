// Package books writes what a meter has counted into its tables: it sorts counts by table and lays them out as the
// arrays that one statement per table takes. All statements add to what is there, and are sorted by key where
// rows of other meters may meet, so that two flushes never wait for each other in a circle.
package books

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/owners"
)

// Table is usage by key, one row a key, and keeps its memory between flushes.
type Table[K comparable] struct {
	Keys []K
	Sums []count.Usage
}

// Add adds usage to the last row when that has the same key, and else begins a row.
func (t *Table[K]) Add(key K, u *count.Usage) {
	if last := len(t.Keys) - 1; last >= 0 && t.Keys[last] == key {
		t.Sums[last].Add(u)
		return
	}
	t.Keys, t.Sums = append(t.Keys, key), append(t.Sums, *u)
}

// Reset forgets all rows and keeps their memory.
func (t *Table[K]) Reset() { t.Keys, t.Sums = t.Keys[:0], t.Sums[:0] }

// Array makes one column of keys.
func Array[K, V any](keys []K, value func(K) V) []V {
	values := make([]V, len(keys))
	for i, k := range keys {
		values[i] = value(k)
	}
	return values
}

// IDs is Array for ids, in the form that pgx encodes without asking for their text.
func IDs[K any](keys []K, value func(K) uuid.UUID) pgtype.FlatArray[pgtype.UUID] {
	values := make(pgtype.FlatArray[pgtype.UUID], len(keys))
	for i, k := range keys {
		values[i] = pgtype.UUID{Bytes: value(k), Valid: true}
	}
	return values
}

// The keys that usage is summed by. Services and exporters are indexes into an owners.View, times are numbers of hours,
// minutes or slots since 1970.
type (
	// HourKey is a row of usage_hourly.
	HourKey struct {
		Service, Exporter int32
		Hour              int64
	}
	// ServiceTime is a service's hour, minute or slot.
	ServiceTime struct {
		Service int32
		Time    int64
	}
	// CycleKey is a row of usage_cycle. Terms are nil when the cycle was closed long ago.
	CycleKey struct {
		Service, Cycle uuid.UUID
		Terms          *owners.Terms
	}
)

// Rows are the usage of one flush by table, each in the order of services' ids, then of time.
type Rows struct {
	Hourly  Table[HourKey]
	Slots   Table[ServiceTime]
	Cycles  Table[CycleKey]
	Pending Table[ServiceTime]
	Late    Table[ServiceTime] // hours, of slots that are pruned already
	Oldest  int64              // slot; 0: none was written
	hourly  []int              // by exporter: its last row in Hourly, plus one
}

// How many ten-second slots there are.
const (
	slotsPerHour   = int64(time.Hour / count.SlotLength)
	SlotsPerMinute = int64(time.Minute / count.SlotLength)
)

// Reset empties the rows and keeps their memory.
func (r *Rows) Reset() {
	r.Hourly.Reset()
	r.Slots.Reset()
	r.Cycles.Reset()
	r.Pending.Reset()
	r.Late.Reset()
	r.Oldest = 0
}

// Gather sorts a tally's cells into tables. Slots before keepFrom may be pruned and are not written.
func (r *Rows) Gather(t *count.Tally, v *owners.View, keepFrom int64) {
	r.Reset()
	r.hourly = append(r.hourly[:0], make([]int, len(v.ExporterIDs))...)
	t.Sorted(v.Rank, func(service int32, c count.Column, u *count.Usage) {
		hour := c.Slot / slotsPerHour
		r.addHourly(HourKey{service, c.Exporter, hour}, u)
		if terms, ok := v.Cycle(service, hour); ok {
			r.Cycles.Add(CycleKey{v.Services[service].ID, terms.ID, terms}, u)
		} else {
			r.Pending.Add(ServiceTime{service, hour}, u)
		}
		if c.Slot < keepFrom {
			r.Late.Add(ServiceTime{service, hour}, u)
			return
		}
		r.Slots.Add(ServiceTime{service, c.Slot}, u)
		if r.Oldest == 0 || c.Slot < r.Oldest {
			r.Oldest = c.Slot
		}
	})
}

// addHourly adds to the row of an exporter's hour, which the same hour's slots of other exporters may have come between.
func (r *Rows) addHourly(key HourKey, u *count.Usage) {
	last := &r.hourly[key.Exporter]
	if *last > 0 && r.Hourly.Keys[*last-1] == key {
		r.Hourly.Sums[*last-1].Add(u)
		return
	}
	r.Hourly.Add(key, u)
	*last = len(r.Hourly.Keys)
}

// Merge puts more cycles among those of t, and sums those with the same key.
func Merge(t, more *Table[CycleKey]) *Table[CycleKey] {
	keys := slices.Concat(t.Keys, more.Keys)
	sums := slices.Concat(t.Sums, more.Sums)
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(bytes.Compare(keys[a].Service[:], keys[b].Service[:]), bytes.Compare(keys[a].Cycle[:], keys[b].Cycle[:]))
	})
	merged := &Table[CycleKey]{}
	for _, i := range order {
		merged.Add(keys[i], &sums[i])
	}
	return merged
}

// SlotTime is when a slot begins.
func SlotTime(slot int64) time.Time {
	return time.Unix(slot*int64(count.SlotLength/time.Second), 0).UTC()
}

// MinuteTime is when a minute since 1970 begins.
func MinuteTime(minute int64) time.Time { return time.Unix(minute*60, 0).UTC() }

// NanoTime is a time in Unix nanoseconds.
func NanoTime(at int64) time.Time { return time.Unix(0, at).UTC() }

func hourTime(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }

// Fields are where a row's eight counts are scanned to.
func Fields(u *count.Usage) []any {
	return []any{&u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3, &u.PacketsIn, &u.PacketsOut, &u.SamplesIn, &u.SamplesOut}
}
