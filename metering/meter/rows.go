package meter

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/metering/meter/count"
)

// grouping sums usage by key, and keeps its memory between flushes.
type grouping[K comparable] struct {
	at   map[K]int
	keys []K
	sums []count.Usage
}

func (g *grouping[K]) add(key K, u *count.Usage) {
	if g.at == nil {
		g.at = map[K]int{}
	}
	i, ok := g.at[key]
	if !ok {
		i = len(g.keys)
		g.at[key] = i
		g.keys = append(g.keys, key)
		g.sums = append(g.sums, count.Usage{})
	}
	g.sums[i].Add(u)
}

func (g *grouping[K]) reset() {
	clear(g.at)
	g.keys, g.sums = g.keys[:0], g.sums[:0]
}

// columns lays sums out as the eight arrays of a statement.
func columns(sums []count.Usage) []any {
	var c [8][]int64
	for i := range c {
		c[i] = make([]int64, len(sums))
	}
	for i := range sums {
		u := &sums[i]
		c[0][i], c[1][i], c[2][i], c[3][i] = u.BytesInL2, u.BytesOutL2, u.BytesInL3, u.BytesOutL3
		c[4][i], c[5][i], c[6][i], c[7][i] = u.PacketsIn, u.PacketsOut, u.SamplesIn, u.SamplesOut
	}
	all := make([]any, len(c))
	for i := range c {
		all[i] = c[i]
	}
	return all
}

// array makes one column of keys.
func array[K, V any](keys []K, value func(K) V) []V {
	values := make([]V, len(keys))
	for i, k := range keys {
		values[i] = value(k)
	}
	return values
}

// ids is array for ids, in the form that pgx encodes without asking for their text.
func ids[K any](keys []K, value func(K) uuid.UUID) pgtype.FlatArray[pgtype.UUID] {
	values := make(pgtype.FlatArray[pgtype.UUID], len(keys))
	for i, k := range keys {
		values[i] = pgtype.UUID{Bytes: value(k), Valid: true}
	}
	return values
}

type (
	hourKey struct {
		service, exporter int32
		hour              int64
	}
	serviceTime struct { // an hour, a slot or a minute, since 1970
		service int32
		time    int64
	}
	cycleKey struct{ cycle, service uuid.UUID }
)

// rows are the usage of one flush by table.
type rows struct {
	hourly  grouping[hourKey]
	slots   grouping[serviceTime]
	cycles  grouping[cycleKey]
	pending grouping[serviceTime]
	late    grouping[serviceTime] // hours, of slots that are pruned already
	oldest  int64
}

const (
	slotsPerHour   = int64(time.Hour / count.SlotLength)
	slotsPerMinute = int64(time.Minute / count.SlotLength)
)

func (r *rows) reset() {
	r.hourly.reset()
	r.slots.reset()
	r.cycles.reset()
	r.pending.reset()
	r.late.reset()
	r.oldest = 0
}

// gather sorts a tally's cells into tables. Slots before keepFrom may be pruned and are not written.
func (r *rows) gather(t *count.Tally, v *view, keepFrom int64) {
	r.reset()
	t.Each(func(service int32, c count.Column, u *count.Usage) {
		hour := c.Slot / slotsPerHour
		r.hourly.add(hourKey{service, c.Exporter, hour}, u)
		if cycle, ok := v.cycle(service, hour); ok {
			r.cycles.add(cycleKey{cycle.cycle, v.services[service].id}, u)
		} else {
			r.pending.add(serviceTime{service, hour}, u)
		}
		if c.Slot < keepFrom {
			r.late.add(serviceTime{service, hour}, u)
			return
		}
		r.slots.add(serviceTime{service, c.Slot}, u)
		if r.oldest == 0 || c.Slot < r.oldest {
			r.oldest = c.Slot
		}
	})
}

func slotTime(slot int64) time.Time {
	return time.Unix(slot*int64(count.SlotLength/time.Second), 0).UTC()
}

func minuteTime(minute int64) time.Time { return time.Unix(minute*60, 0).UTC() }

func nanoTime(at int64) time.Time { return time.Unix(0, at).UTC() }
