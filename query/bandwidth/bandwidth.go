// Package bandwidth answers what was metered, how sure that is, and whether the meter hears its exporters.
//
// Totals and cycles come from Postgres alone, where bytes are decided, and are exact. A graph's fine steps come
// from ClickHouse's minute windows, with the newest minutes laid over from Postgres, so that the live edge never
// waits for the projection; hours and days come from Postgres' hourly totals. Where an exporter that meters a
// service was silent, or lost a share of its datagrams worth telling, the graph's points say so (gap) instead of
// looking like low traffic.
package bandwidth

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Alert says that a service's billable bytes crossed a share of its quota.
type Alert struct {
	Service       AlertService `json:"service"`
	CycleID       uuid.UUID    `json:"cycle_id" format:"uuid"`
	Threshold     int          `json:"threshold" doc:"Percent of the quota"`
	QuotaBytes    int64        `json:"quota_bytes"`
	BillableBytes int64        `json:"billable_bytes" doc:"At the moment of crossing"`
	CrossedAt     time.Time    `json:"crossed_at"`
}

// AlertService is the service that an alert is about.
type AlertService struct {
	ID   uuid.UUID `json:"id" format:"uuid"`
	Name string    `json:"name"`
}

//go:embed list_alerts.sql
var listAlertsSQL string

// ListAlerts lists the quota alerts in scope, newest first; of one service unless service is nil.
func ListAlerts(ctx context.Context, db query.Postgres, scope query.Scope, service *uuid.UUID, page query.Page) (query.List[Alert], error) {
	at, id, err := page.TimeAfter()
	if err != nil {
		return query.List[Alert]{}, err
	}
	rows, err := query.All[Alert](ctx, db, listAlertsSQL, scope.Owner(), service, at, id, page.Rows())
	if err != nil {
		return query.List[Alert]{}, err
	}
	return query.Cut(page, rows, Alert.key), nil
}

func (a Alert) key() []string {
	return query.TimeKey(a.CrossedAt, a.CycleID.String()+threshold(a.Threshold))
}

// threshold is the alert's part of the key as the statement orders it: three digits.
func threshold(percent int) string {
	digits := []byte{byte('0' + percent/100%10), byte('0' + percent/10%10), byte('0' + percent%10)}
	return string(digits)
}
