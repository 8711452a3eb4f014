package recount

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/billable"
	"github.com/ezscale/platform/metering/meter/count"
)

//go:embed sql/cycles.sql
var cyclesSQL string

// Cycle is a billing cycle that deltas fall into, and what they do to it.
type Cycle struct {
	ID, Service  uuid.UUID
	From, To     time.Time // exclusive
	Closed       bool      // more becomes late usage on the next invoice, less a credit note
	Old, New     int64     // billable bytes, by the cycle's terms
	basis        string
	direction    string
	usage, delta count.Usage
}

// Cycles finds the cycles of deltas. Hours that no cycle covers are in none: their usage waits for one.
func (r *Recounter) Cycles(ctx context.Context, span Span, deltas []Delta) ([]Cycle, error) {
	var services []uuid.UUID
	for _, d := range deltas { // in the order of services
		if len(services) == 0 || services[len(services)-1] != d.Service {
			services = append(services, d.Service)
		}
	}
	rows, err := r.pool.Query(ctx, cyclesSQL, services, span.From, span.To)
	if err != nil {
		return nil, fmt.Errorf("read the cycles: %w", err)
	}
	var all []Cycle
	var c Cycle
	var status string
	u := &c.usage
	fields := []any{&c.ID, &c.Service, &c.From, &c.To, &status, &c.basis, &c.direction, &u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3}
	if _, err := pgx.ForEachRow(rows, fields, func() error {
		c.Closed = status == "closed" || status == "snapshot" || status == "rated" // its usage is fixed
		all = append(all, c)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the cycles: %w", err)
	}
	return touch(all, deltas), nil
}

// touch adds the deltas to their cycles and leaves those out that none falls into.
func touch(all []Cycle, deltas []Delta) []Cycle {
	touched := make([]bool, len(all))
	for i := range deltas {
		d := &deltas[i]
		at := slices.IndexFunc(all, func(c Cycle) bool {
			return c.Service == d.Service && !d.Time().Before(c.From) && d.Time().Before(c.To)
		})
		if at >= 0 {
			touched[at] = true
			all[at].delta.Add(&d.By)
		}
	}
	var some []Cycle
	for i, c := range all {
		if touched[i] {
			c.Old = c.billable(c.usage)
			after := c.usage
			after.Add(&c.delta)
			c.New = c.billable(after)
			some = append(some, c)
		}
	}
	return some
}

func (c *Cycle) billable(u count.Usage) int64 {
	if c.basis == "l3" {
		return billable.Bytes(c.direction, u.BytesInL3, u.BytesOutL3)
	}
	return billable.Bytes(c.direction, u.BytesInL2, u.BytesOutL2)
}
