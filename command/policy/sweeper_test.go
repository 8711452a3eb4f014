package policy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ezscale/platform/command/billing"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/policy"
)

// company has services that are all over their quota by 100 GB when their month ends.
func company(t testing.TB, services int) (w *worldtest.World, exporter uuid.UUID, ids []uuid.UUID) {
	t.Helper()
	w = worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	exporter = w.Exporter("leaf-0", "127.1.0.1/32")
	for i := range services {
		id := w.Service(fmt.Sprintf("svc-%03d", i), customer, plan).ServiceID
		w.Use(id, exporter, w.Time("2026-01-05T00:00:00Z"), 11e11, 0)
		ids = append(ids, id)
	}
	w.SetTime(w.Time("2026-02-01T00:00:00Z"))
	w.Watermark(w.Now())
	return w, exporter, ids
}

// checkBooks asks for one invoice of 1.00 USD per service and books that say so.
func checkBooks(t testing.TB, w *worldtest.World, services int) {
	t.Helper()
	for sql, want := range map[string]int{
		`select count(*) from cycle where status = 'closed'`:                                                                                          services,
		`select count(*) from cycle where status = 'open'`:                                                                                            services,
		`select count(*) from invoice where total_minor = 100`:                                                                                        services,
		`select count(*) from invoice_line where amount_minor = 100 and kind = 'overage'`:                                                             services,
		`select coalesce(sum(amount_minor), 0) from ledger_entry where account = 'receivable'`:                                                        services * 100,
		`select coalesce(sum(amount_minor), 0) from ledger_entry`:                                                                                     0,
		`select next::int - 1 from invoice_series where series = 'INV'`:                                                                               services,
		`select count(*) from outbox where type = 'billing.InvoiceFinalised'`:                                                                         services,
		`select count(*) from outbox where type in ('billing.CycleEnded', 'billing.CycleSnapshotTaken', 'billing.CycleRated', 'billing.CycleClosed')`: services * 4,
	} {
		if got := worldtest.One[int](w, sql); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}

func TestSweepersAtOnceBillOnce(t *testing.T) {
	t.Parallel()
	const services, sweepers = 12, 4
	w, _, _ := company(t, services)
	var group sync.WaitGroup
	for range sweepers {
		sweeper := newSweeper(w)
		group.Go(func() {
			if report, err := sweeper.Run(context.Background()); err != nil || report.Failed > 0 {
				t.Errorf("got %+v (%v)", report, err)
			}
		})
	}
	group.Wait()
	checkBooks(t, w, services)
}

// After the clock was moved the meters need a moment to pass the new time; Settle waits for them.
func TestSettleWaitsForTheMeters(t *testing.T) {
	t.Parallel()
	w, _, _ := company(t, 2)
	w.Watermark(w.Time("2026-01-31T23:00:00Z"))
	sweeper := newSweeper(w)
	if report, err := sweeper.Settle(context.Background(), time.Millisecond); err != nil || report.Waiting != 2 || report.Steps != 2 {
		t.Fatalf("got %+v (%v)", report, err)
	}
	w.Watermark(w.Now())
	if report, err := sweeper.Settle(context.Background(), time.Minute); err != nil || report.Waiting != 0 || report.Invoices != 2 {
		t.Fatalf("got %+v (%v)", report, err)
	}
	checkBooks(t, w, 2)
}

func TestHousekeeping(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	w.Customer("a@example.com")
	w.Exporter("leaf-0", "127.1.0.1/32")
	w.Exec(`insert into idempotency select 'staff:test', n::text, 'x', '', '{}', $1::timestamptz - n * interval '1 day' from generate_series(1, 20) n`, w.Now())
	w.Exec(`insert into attribution_change (at) select now() - n * interval '1 hour' from generate_series(1, 100) n`)
	if err := policy.KeepHouseNow(context.Background(), w.DB, w.Pool, w.Now); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]int{`select count(*) from idempotency`: 7, `select count(*) from attribution_change where at < now() - interval '1 minute'`: 23} {
		if got := worldtest.One[int](w, sql); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}

// What is forgotten of people is counted by its kind.
func TestForgettingIsCounted(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	w.Exec(`insert into person (id, site, email, name, created_at) select gen_random_uuid(), 'account', n || '@example.com', 'P', $1::timestamptz - interval '8 days' from generate_series(1, 1001) n`, w.Now())
	reg := prometheus.NewRegistry()
	if err := policy.NewForgetting(w.Pool, w.Now, w.Now, reg).Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP ezscale_retention_deleted_total Rows of people that were deleted because they are long over, by what they were.
# TYPE ezscale_retention_deleted_total counter
ezscale_retention_deleted_total{what="api_tokens"} 0
ezscale_retention_deleted_total{what="contacts"} 0
ezscale_retention_deleted_total{what="link_versions"} 0
ezscale_retention_deleted_total{what="links"} 0
ezscale_retention_deleted_total{what="mails"} 0
ezscale_retention_deleted_total{what="oauth"} 0
ezscale_retention_deleted_total{what="sessions"} 0
ezscale_retention_deleted_total{what="unverified"} 1001
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// A sweep is killed again and again, at any moment, until all is done.
func TestKilledSweepsBillOnce(t *testing.T) {
	t.Parallel()
	const services = 6
	w, _, _ := company(t, services)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for n := range 400 { // the later ones live longer, so that it ends on a busy machine too
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+random.IntN(30+5*n))*time.Millisecond)
		report, err := newSweeper(w).Run(ctx)
		cancel()
		if err == nil && report.Waiting == 0 {
			t.Logf("%d sweeps were killed", killed)
			checkBooks(t, w, services)
			return
		}
		killed++
	}
	t.Fatal("the sweeps came to no end")
}

// A sweep dies between every two steps; each step is also asked for twice.
func TestEveryStepMayBeTheLast(t *testing.T) {
	t.Parallel()
	for done := range 6 {
		t.Run(fmt.Sprintf("after %d steps", done), func(t *testing.T) {
			t.Parallel()
			w, _, ids := company(t, 1)
			cycle := worldtest.One[uuid.UUID](w, `select id from cycle where service_id = $1`, ids[0])
			steps := []func(){
				func() { worldtest.Must(w, billing.EndCycle{CycleID: cycle, NextCycleID: w.NewID()}) },
				func() { worldtest.Must(w, billing.SnapshotCycle{CycleID: cycle}) },
				func() { worldtest.Must(w, billing.RateCycle{CycleID: cycle}) },
				func() { worldtest.Must(w, billing.FinaliseInvoice{CycleID: cycle, InvoiceID: w.NewID()}) },
				func() { worldtest.Must(w, billing.CloseCycle{CycleID: cycle}) },
			}
			for _, step := range steps[:done] {
				step()
				step()
			}
			for range 2 {
				if report, err := newSweeper(w).Run(context.Background()); err != nil || report.Failed > 0 || report.Waiting > 0 {
					t.Errorf("got %+v (%v)", report, err)
				}
			}
			for _, step := range steps {
				step()
			}
			checkBooks(t, w, 1)
		})
	}
}

// Usage comes in parts, in any order, before and after the close, and is looked at in between: what is billed in
// the end is what the whole costs, rounded once.
func TestTheOrderOfUsageChangesNoBill(t *testing.T) {
	t.Parallel()
	for range 4 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			checkAnyOrder(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func checkAnyOrder(t *testing.T, random *rand.Rand) {
	t.Helper()
	w, exporter, ids := company(t, 1)
	total := int64(11e11)
	sweeper := newSweeper(w)
	for month := 2; month <= 4; month++ {
		for range random.IntN(6) {
			part := random.Int64N(5e9) - 1e9 // sometimes a correction downward
			total += part
			w.Use(ids[0], exporter, w.Time("2026-01-01T00:00:00Z").Add(time.Duration(random.IntN(744))*time.Hour), part, 0)
			if random.IntN(2) == 0 {
				if _, err := sweeper.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.SetTime(time.Date(2026, time.Month(month), 1, 0, 0, 0, 0, time.UTC))
		w.Watermark(w.Now())
		if report, err := sweeper.Run(context.Background()); err != nil || report.Failed > 0 {
			t.Fatalf("got %+v (%v)", report, err)
		}
	}
	want := ((total-1e12)*10 + 5e9) / 1e10 // cents at 0.01 a gigabyte, half up
	for _, sql := range []string{`select sum(amount_minor) from invoice_line`, `select sum(total_minor) from invoice`, `select sum(amount_minor) from ledger_entry where account = 'receivable'`} {
		if got := worldtest.One[int64](w, sql); got != want {
			t.Errorf("%s: got %d, want %d", sql, got, want)
		}
	}
}
