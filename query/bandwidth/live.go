package bandwidth

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Slot is ten seconds of one service: its totals so far, not a delta. Version grows with every change.
type Slot struct {
	ServiceID uuid.UUID `json:"-"`
	T         time.Time `json:"t"`
	InL2      int64     `json:"in_l2" doc:"Bytes, as all counts of a slot"`
	OutL2     int64     `json:"out_l2"`
	InL3      int64     `json:"in_l3"`
	OutL3     int64     `json:"out_l3"`
	Version   int64     `json:"-"`
}

//go:embed live_slots.sql
var liveSlotsSQL string

//go:embed live_alerts.sql
var liveAlertsSQL string

// LiveSlots reads the slots since a time of many services at once, by service and time: one question for all
// viewers of a process. Slots without traffic have no row.
func LiveSlots(ctx context.Context, db query.Postgres, services []uuid.UUID, since time.Time) ([]Slot, error) {
	return query.All[Slot](ctx, db, liveSlotsSQL, services, since)
}

// LiveAlerts reads the alerts of many services that crossed since a time, oldest first.
func LiveAlerts(ctx context.Context, db query.Postgres, services []uuid.UUID, since time.Time) ([]Alert, error) {
	return query.All[Alert](ctx, db, liveAlertsSQL, services, since)
}
