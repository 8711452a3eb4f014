// Package books writes what a meter has counted into its tables: it sorts counts by table and lays them out as the
// arrays that one statement per table takes. All statements add to what is there, and are sorted by key where
// rows of other meters may meet, so that two flushes never wait for each other in a circle.
package books

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/owners"
)

// Grouping sums usage by key, and keeps its memory between flushes.
type Grouping[K comparable] struct {
	at   map[K]int
	Keys []K
	Sums []count.Usage
}

// Add adds usage to the sum of a key.
func (g *Grouping[K]) Add(key K, u *count.Usage) {
	if g.at == nil {
		g.at = map[K]int{}
	}
	i, ok := g.at[key]
	if !ok {
		i = len(g.Keys)
		g.at[key] = i
		g.Keys = append(g.Keys, key)
		g.Sums = append(g.Sums, count.Usage{})
	}
	g.Sums[i].Add(u)
}

// Of is the sum of a key.
func (g *Grouping[K]) Of(key K) count.Usage {
	if i, ok := g.at[key]; ok {
		return g.Sums[i]
	}
	return count.Usage{}
}

// Reset forgets all sums and keeps their memory.
func (g *Grouping[K]) Reset() {
	clear(g.at)
	g.Keys, g.Sums = g.Keys[:0], g.Sums[:0]
}

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
	// CycleKey is a row of usage_cycle.
	CycleKey struct{ Cycle, Service uuid.UUID }
)

// Rows are the usage of one flush by table.
type Rows struct {
	Hourly  Grouping[HourKey]
	Slots   Grouping[ServiceTime]
	Cycles  Grouping[CycleKey]
	Pending Grouping[ServiceTime]
	Late    Grouping[ServiceTime] // hours, of slots that are pruned already
	Oldest  int64                 // slot; 0: none was written
	arena   Arena
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
	t.Each(func(service int32, c count.Column, u *count.Usage) {
		hour := c.Slot / slotsPerHour
		r.Hourly.Add(HourKey{service, c.Exporter, hour}, u)
		if cycle, ok := v.Cycle(service, hour); ok {
			r.Cycles.Add(CycleKey{cycle.ID, v.Services[service].ID}, u)
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
