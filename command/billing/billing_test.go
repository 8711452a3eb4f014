package billing_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/command/billing"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/provisioning"
	"github.com/ezscale/platform/internal/fault"
)

func service(t *testing.T) (*worldtest.World, provisioning.CreatedService) {
	t.Helper()
	w := worldtest.New(t)
	return w, w.Service("svc-1", w.Customer("ada@example.com"), w.Plan(worldtest.Terms("vps-s")))
}

func TestStepsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w, s := service(t)
	end := billing.EndCycle{CycleID: s.CycleID, NextCycleID: w.NewID()}
	worldtest.Refused(w, end, fault.Conflict, "cycle_running")
	worldtest.Refused(w, billing.SnapshotCycle{CycleID: s.CycleID}, fault.Conflict, "cycle_status")
	worldtest.Refused(w, billing.RateCycle{CycleID: s.CycleID}, fault.Conflict, "cycle_status")
	worldtest.Refused(w, billing.FinaliseInvoice{CycleID: s.CycleID, InvoiceID: w.NewID()}, fault.Conflict, "cycle_status")
	worldtest.Refused(w, billing.CloseCycle{CycleID: s.CycleID}, fault.Conflict, "cycle_status")
	worldtest.Refused(w, billing.BillLateUsage{CycleID: s.CycleID, InvoiceID: w.NewID()}, fault.Conflict, "cycle_status")
	worldtest.Refused(w, billing.RateCycle{CycleID: w.NewID()}, fault.NotFound, "cycle_not_found")
	w.Set("2026-02-01T00:00:00Z")
	if p := worldtest.Must(w, end); p.Status != billing.StatusCollecting || !p.Moved {
		t.Errorf("got %+v", p)
	}
	worldtest.CheckChanged(w, "billing.EndCycle", `{"status": "open"} {"status": "collecting"}`)
	if p := worldtest.Must(w, end); p.Moved {
		t.Errorf("done already: got %+v", p)
	}
	worldtest.CheckChanged(w, "billing.EndCycle", "")
	worldtest.Refused(w, billing.SnapshotCycle{CycleID: s.CycleID}, fault.Unavailable, "collecting")
}

func TestACycleWithUnbilledOverageCannotClose(t *testing.T) {
	t.Parallel()
	w, s := service(t)
	w.Use(s.ServiceID, w.Exporter("leaf-0", "127.1.0.1/32"), w.Time("2026-01-05T00:00:00Z"), 11e11, 0)
	w.Set("2026-02-01T00:00:00Z")
	w.Watermark(w.Now())
	worldtest.Must(w, billing.EndCycle{CycleID: s.CycleID, NextCycleID: w.NewID()})
	worldtest.Must(w, billing.SnapshotCycle{CycleID: s.CycleID})
	worldtest.Must(w, billing.RateCycle{CycleID: s.CycleID})
	worldtest.Refused(w, billing.CloseCycle{CycleID: s.CycleID}, fault.Conflict, "not_invoiced")
	first := worldtest.Must(w, billing.FinaliseInvoice{CycleID: s.CycleID, InvoiceID: w.NewID()})
	again := worldtest.Must(w, billing.FinaliseInvoice{CycleID: s.CycleID, InvoiceID: w.NewID()})
	if *first.InvoiceID != *again.InvoiceID || first.Number != "INV-2026-000001" || again.Number != first.Number || again.Changed {
		t.Errorf("got %+v, then %+v", first, again)
	}
	worldtest.Must(w, billing.CloseCycle{CycleID: s.CycleID})
	worldtest.CheckChanged(w, "billing.SnapshotCycle", `{"status": "collecting"} {"status": "snapshot"}`)
	worldtest.CheckChanged(w, "billing.RateCycle", `{"status": "snapshot"} {"status": "rated"}`)
	worldtest.CheckChanged(w, "billing.CloseCycle", `{"status": "rated"} {"status": "closed"}`)
	const invoiced = `select outcome->>'number' from audit where command = 'billing.FinaliseInvoice' order by id limit 1`
	if got := worldtest.One[string](w, invoiced); got != first.Number {
		t.Errorf("the audit row names invoice %q", got)
	}
	if late := worldtest.Must(w, billing.BillLateUsage{CycleID: s.CycleID, InvoiceID: w.NewID()}); late.Changed {
		t.Errorf("nothing came late: got %+v", late)
	}
	if got := worldtest.One[string](w, `select customer_name || ' ' || customer_email from invoice`); got != "Customer ada@example.com ada@example.com" {
		t.Errorf("got %q", got)
	}
}

func TestIdsAreAsked(t *testing.T) {
	t.Parallel()
	worldtest.CheckField(t, billing.EndCycle{CycleID: uuid.New()}.Validate(), "next_cycle_id")
	worldtest.CheckField(t, billing.FinaliseInvoice{CycleID: uuid.New()}.Validate(), "invoice_id")
	worldtest.CheckField(t, billing.BillLateUsage{InvoiceID: uuid.New()}.Validate(), "cycle_id")
	worldtest.CheckField(t, billing.SnapshotCycle{}.Validate(), "cycle_id")
}

// What the database itself refuses, whatever a program does.
func TestTheLastNet(t *testing.T) {
	t.Parallel()
	w, s := service(t)
	for constraint, sql := range map[string]string{
		"cycle_overlap": `insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, byte_basis, direction, thresholds, currency)
			select gen_random_uuid(), service_id, plan_id, starts_at + interval '1 hour', ends_at + interval '1 hour', status, byte_basis, direction, thresholds, currency from cycle`,
		"sum to zero": `with t as (insert into ledger_transaction (id, at, description) values (gen_random_uuid(), now(), 'half') returning id)
			insert into ledger_entry select t.id, 1, 'receivable', c.id, 'USD', 1 from t, customer c`,
	} {
		_, err := w.Owner.Exec(context.Background(), sql)
		var violation *pgconn.PgError
		if !errors.As(err, &violation) || !strings.Contains(violation.Message+violation.ConstraintName, constraint) {
			t.Errorf("%s: got %v", constraint, err)
		}
	}
	// Books are added to, never changed; another level of the quota is another alert.
	for _, sql := range []string{`update ledger_entry set amount_minor = 1`, `update cycle_snapshot set billable_bytes = 0`, `update invoice_line set amount_minor = 0`, `delete from invoice`} {
		if _, err := w.Pool.Exec(context.Background(), sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	const alert = `insert into quota_alert (service_id, cycle_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id) values ($1, $2, 75, $3, 1, now(), gen_random_uuid()) on conflict do nothing`
	for _, quota := range []int64{100, 100, 200} {
		w.Exec(alert, s.ServiceID, s.CycleID, quota)
	}
	if n := worldtest.One[int](w, `select count(*) from quota_alert`); n != 2 {
		t.Errorf("%d alerts, want one per level", n)
	}
}

// What a port's counters and flow records tell of a cycle comes after its end: the cycle waits for them.
func TestCollectingWaitsForWhatIsToldAfterwards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		how     string // the service is metered
		minutes time.Duration
	}{
		"flow samples": {"select $1::uuid, $2::uuid", 0},
		"a port": {`insert into binding (id, exporter_id, if_index, service_id, valid)
			values (gen_random_uuid(), $2, 9, $1, '[2026-01-01Z,)')`, 5},
		"flow records": {`with l as (insert into loss_hourly (exporter_id, hour, records) values ($2, '2026-01-31 23:00Z', 7))
			select $1::uuid`, 31},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := service(t)
			exporter := w.Exporter("leaf-0", "127.1.0.1/32")
			w.Use(s.ServiceID, exporter, w.Time("2026-01-31T23:00:00Z"), 1000, 0)
			w.Exec(c.how, s.ServiceID, exporter)
			w.Set("2026-02-01T00:00:00Z")
			worldtest.Must(w, billing.EndCycle{CycleID: s.CycleID, NextCycleID: w.NewID()})
			if c.minutes > 0 {
				w.Watermark(w.Now().Add((c.minutes - 1) * time.Minute))
				worldtest.Refused(w, billing.SnapshotCycle{CycleID: s.CycleID}, fault.Unavailable, "collecting")
			}
			w.Watermark(w.Now().Add(c.minutes * time.Minute))
			worldtest.Must(w, billing.SnapshotCycle{CycleID: s.CycleID})
		})
	}
}
