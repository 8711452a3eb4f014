package catalog_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/catalog"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

const describePlan = `select concat_ws(' ', name, price_minor, currency, interval, quota_bytes, byte_basis, direction, thresholds,
	overage_unit_bytes, trim_scale(overage_unit_price), nullif(bill_at, 'estimate')) from plan where id = $1`

func TestPlans(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Plan(worldtest.Terms("vps-s"))
	if got, want := worldtest.One[string](w, describePlan, id), "vps-s 500 USD month 1000000000000 l2 sum {75,90,100} 1000000000 0.01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	unlimited := catalog.Terms{PlanName: "free", Currency: "JPY", Interval: "year", ByteBasis: "l3", Direction: "max", Thresholds: []int{}}
	worldtest.Must(w, catalog.ChangePlan{PlanID: w.Plan(unlimited), Terms: unlimited})
	changed := worldtest.Terms("vps-s2")
	changed.QuotaBytes, changed.Thresholds, changed.BillAt = 2e12, []int{50}, "lower_bound"
	worldtest.Must(w, catalog.ChangePlan{PlanID: id, Terms: changed})
	if got, want := worldtest.One[string](w, describePlan, id), "vps-s2 500 USD month 2000000000000 l2 sum {50} 1000000000 0.01 lower_bound"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const changes = `select before::text || ' ' || after::text from audit where command = 'catalog.ChangePlan' and aggregate_id = $1`
	if got, want := worldtest.One[string](w, changes, id), `{"name": "vps-s", "bill_at": "estimate", "thresholds": [75, 90, 100], "quota_bytes": 1000000000000} `+
		`{"name": "vps-s2", "bill_at": "lower_bound", "thresholds": [50], "quota_bytes": 2000000000000}`; got != want {
		t.Errorf("audited\n%s, want\n%s", got, want)
	}
	if got, want := w.Events(), []string{"catalog.PlanCreated 1", "catalog.PlanCreated 1", "catalog.PlanChanged 2", "catalog.PlanChanged 2"}; !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
}

func TestPlansAreRefused(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Plan(worldtest.Terms("vps-s"))
	other := w.Plan(worldtest.Terms("vps-m"))
	worldtest.Refused(w, catalog.CreatePlan{PlanID: w.NewID(), Terms: worldtest.Terms("vps-s")}, fault.Conflict, "plan_exists")
	worldtest.Refused(w, catalog.CreatePlan{PlanID: id, Terms: worldtest.Terms("vps-l")}, fault.Conflict, "plan_exists")
	worldtest.Refused(w, catalog.ChangePlan{PlanID: other, Terms: worldtest.Terms("vps-s")}, fault.Conflict, "plan_exists")
	worldtest.Refused(w, catalog.ChangePlan{PlanID: w.NewID(), Terms: worldtest.Terms("vps-l")}, fault.NotFound, "plan_not_found")
	euros := worldtest.Terms("vps-s")
	euros.Currency = "EUR"
	worldtest.Refused(w, catalog.ChangePlan{PlanID: id, Terms: euros}, fault.Conflict, "currency_fixed")
}

// A change reaches the running cycles of the plan's services, and no others.
func TestChangeReachesRunningCycles(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	plan, other := w.Plan(worldtest.Terms("vps-s")), w.Plan(worldtest.Terms("vps-m"))
	customer := w.Customer("a@example.com")
	mine, theirs := w.Service("mine", customer, plan), w.Service("theirs", customer, other)
	terms := worldtest.Terms("vps-s")
	terms.QuotaBytes, terms.Direction, terms.OverageUnitPrice, terms.BillAt = 5e12, "out", "0.005", "lower_bound"
	const describe = `select concat_ws(' ', quota_bytes, direction, trim_scale(overage_unit_price), bill_at) from cycle where id = $1`

	w.Set("2026-02-01T00:00:00Z") // mine has ended, though nobody has ended it yet
	worldtest.Must(w, catalog.ChangePlan{PlanID: plan, Terms: terms})
	if got, want := worldtest.One[string](w, describe, mine.CycleID), "1000000000000 sum 0.01 estimate"; got != want {
		t.Errorf("a cycle that is over keeps its terms: got %q, want %q", got, want)
	}
	w.Set("2026-01-31T23:59:59Z")
	worldtest.Must(w, catalog.ChangePlan{PlanID: plan, Terms: terms})
	if got, want := worldtest.One[string](w, describe, mine.CycleID), "5000000000000 out 0.005 lower_bound"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := worldtest.One[string](w, describe, theirs.CycleID), "1000000000000 sum 0.01 estimate"; got != want {
		t.Errorf("another plan's cycle: got %q, want %q", got, want)
	}
}

func TestTermsAreChecked(t *testing.T) {
	t.Parallel()
	for field, spoil := range map[string]func(*catalog.Terms){
		"name":               func(t *catalog.Terms) { t.PlanName = "a/b" },
		"price_minor":        func(t *catalog.Terms) { t.PriceMinor = -1 },
		"currency":           func(t *catalog.Terms) { t.Currency = "usd" },
		"interval":           func(t *catalog.Terms) { t.Interval = "week" },
		"byte_basis":         func(t *catalog.Terms) { t.ByteBasis = "l4" },
		"direction":          func(t *catalog.Terms) { t.Direction = "up" },
		"bill_at":            func(t *catalog.Terms) { t.BillAt = "upper_bound" },
		"quota_bytes":        func(t *catalog.Terms) { t.QuotaBytes = -1 },
		"thresholds":         func(t *catalog.Terms) { t.Thresholds = []int{90, 75} },
		"overage_unit_price": func(t *catalog.Terms) { t.OverageUnitPrice = "1,5" },
		"overage_unit_bytes": func(t *catalog.Terms) { t.QuotaBytes = 0 },
	} {
		terms := worldtest.Terms("vps-s")
		spoil(&terms)
		worldtest.CheckField(t, catalog.CreatePlan{PlanID: uuid.New(), Terms: terms}.Validate(), field)
	}
	for _, thresholds := range [][]int{{0}, {75, 75}, {1001}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}} {
		terms := worldtest.Terms("vps-s")
		terms.Thresholds = thresholds
		worldtest.CheckField(t, catalog.ChangePlan{PlanID: uuid.New(), Terms: terms}.Validate(), "thresholds")
	}
}
