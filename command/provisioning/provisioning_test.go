package provisioning_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/provisioning"
	"github.com/ezscale/platform/internal/fault"
)

const describeCycle = `select to_char(starts_at at time zone 'utc', 'YYYY-MM-DD HH24') || ' ' || to_char(ends_at at time zone 'utc', 'YYYY-MM-DD HH24')
	|| ' ' || status || ' ' || quota_bytes from cycle where id = $1`

func TestCreateService(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	w.Set("2026-03-15T12:34:56Z")
	since := w.Time("2026-01-31T05:59:59Z")
	c := provisioning.CreateService{ServiceID: w.NewID(), CycleID: w.NewID(), ServiceName: "svc-1", CustomerID: customer, PlanID: plan, Since: since,
		Prefixes: []provisioning.AssignmentInput{{AssignmentID: w.NewID(), Prefix: "10.20.0.1/32"}, {AssignmentID: w.NewID(), Prefix: "2001:db8::/48"}}}
	before := len(w.Events())
	created := worldtest.Must(w, c)
	if got, want := worldtest.One[string](w, describeCycle, c.CycleID), "2026-02-28 05 2026-03-31 05 open 1000000000000"; got != want {
		t.Errorf("got cycle %q, want %q", got, want)
	}
	if got := worldtest.One[int](w, `select count(*) from cycle`); got != 1 {
		t.Errorf("%d cycles: there is none for the past", got)
	}
	if got, want := worldtest.One[string](w, `select string_agg(prefix || ' ' || (valid = tstzrange('2026-01-31T05:00:00Z', null)), ', ' order by prefix) from assignment`),
		"10.20.0.1/32 true, 2001:db8::/48 true"; got != want {
		t.Errorf("got assignments %q, want %q", got, want)
	}
	if !created.Since.Equal(w.Time("2026-01-31T05:00:00Z")) || len(created.AssignmentIDs) != 2 {
		t.Errorf("got %+v", created)
	}
	want := []string{"provisioning.ServiceCreated 1", "bandwidth.PrefixAssigned 2", "bandwidth.PrefixAssigned 3", "billing.CycleOpened 1"}
	if got := w.Events()[before:]; !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
}

func TestServiceOfTheFuture(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	c := provisioning.CreateService{ServiceID: w.NewID(), CycleID: w.NewID(), ServiceName: "later", CustomerID: customer, PlanID: plan, Since: w.Time("2026-05-01T00:00:00Z")}
	worldtest.Must(w, c)
	if got, want := worldtest.One[string](w, describeCycle, c.CycleID), "2026-05-01 00 2026-06-01 00 open 1000000000000"; got != want {
		t.Errorf("got cycle %q, want %q", got, want)
	}
	c.Since = w.Time("2027-05-01T00:00:00Z")
	f := worldtest.Refused(w, c, fault.Invalid, "invalid_input")
	worldtest.CheckField(t, f, "since")
}

func TestPrefixesHaveOneService(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	w.Service("first", customer, plan, "10.20.0.1/32", "10.20.0.2/32")
	c := provisioning.CreateService{ServiceID: w.NewID(), CycleID: w.NewID(), ServiceName: "second", CustomerID: customer, PlanID: plan,
		Prefixes: []provisioning.AssignmentInput{{AssignmentID: w.NewID(), Prefix: "10.20.0.0/24"}, {AssignmentID: w.NewID(), Prefix: "10.20.0.2/32"}}}
	f := worldtest.Refused(w, c, fault.Conflict, "prefix_taken")
	want := []fault.Field{{Name: "prefixes[1].prefix", Message: "10.20.0.2/32 belongs to service first since 2026-01-01T00:00:00Z"}}
	if !slices.Equal(f.Fields, want) {
		t.Errorf("got %v, want %v", f.Fields, want)
	}
	if n := worldtest.One[int](w, `select count(*) from service where name = 'second'`); n != 0 {
		t.Error("a refused service must leave nothing")
	}
	c.Prefixes = c.Prefixes[:1] // the longer prefixes inside it stay the first one's
	worldtest.Must(w, c)
}

func TestServicesAreRefused(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	w.Service("first", customer, plan)
	c := provisioning.CreateService{ServiceID: w.NewID(), CycleID: w.NewID(), ServiceName: "first", CustomerID: customer, PlanID: plan}
	worldtest.Refused(w, c, fault.Conflict, "service_exists")
	c.ServiceName, c.PlanID = "second", w.NewID()
	worldtest.Refused(w, c, fault.NotFound, "plan_not_found")
	c.PlanID, c.CustomerID = plan, w.NewID()
	worldtest.Refused(w, c, fault.NotFound, "customer_not_found")
}

func TestChangeServicePlan(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, small := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	large := worldtest.Terms("vps-l")
	large.QuotaBytes, large.Interval = 9e12, "year"
	euros := worldtest.Terms("vps-eur")
	euros.Currency = "EUR"
	service := w.Service("first", customer, small)
	changed := worldtest.Must(w, provisioning.ChangeServicePlan{ServiceID: service.ServiceID, PlanID: w.Plan(large)})
	if got, want := worldtest.One[string](w, describeCycle, service.CycleID), "2026-01-01 00 2026-02-01 00 open 9000000000000"; got != want {
		t.Errorf("got cycle %q, want %q", got, want)
	}
	if got := worldtest.One[uuid.UUID](w, `select plan_id from service`); got != changed.PlanID {
		t.Errorf("got plan %s, want %s", got, changed.PlanID)
	}
	worldtest.Refused(w, provisioning.ChangeServicePlan{ServiceID: service.ServiceID, PlanID: w.NewID()}, fault.NotFound, "plan_not_found")
	worldtest.Refused(w, provisioning.ChangeServicePlan{ServiceID: w.NewID(), PlanID: small}, fault.NotFound, "service_not_found")
	f := worldtest.Refused(w, provisioning.ChangeServicePlan{ServiceID: service.ServiceID, PlanID: w.Plan(euros)}, fault.Conflict, "currency_fixed")
	if !strings.Contains(f.Message, "USD") || !strings.Contains(f.Message, "EUR") {
		t.Errorf("got %q", f.Message)
	}
}

func TestInputIsChecked(t *testing.T) {
	t.Parallel()
	one := provisioning.AssignmentInput{AssignmentID: uuid.New(), Prefix: "10.0.0.1/32"}
	good := provisioning.CreateService{ServiceID: uuid.New(), CycleID: uuid.New(), ServiceName: "s", CustomerID: uuid.New(), PlanID: uuid.New()}
	for field, spoil := range map[string]func(*provisioning.CreateService){
		"service_id":                func(c *provisioning.CreateService) { c.ServiceID = uuid.Nil },
		"cycle_id":                  func(c *provisioning.CreateService) { c.CycleID = uuid.Nil },
		"name":                      func(c *provisioning.CreateService) { c.ServiceName = "" },
		"prefixes[0].assignment_id": func(c *provisioning.CreateService) { c.Prefixes = []provisioning.AssignmentInput{{Prefix: one.Prefix}} },
		"prefixes[1].prefix":        func(c *provisioning.CreateService) { c.Prefixes = []provisioning.AssignmentInput{one, one} },
	} {
		c := good
		spoil(&c)
		worldtest.CheckField(t, c.Validate(), field)
	}
	worldtest.CheckField(t, provisioning.ChangeServicePlan{ServiceID: uuid.New()}.Validate(), "plan_id")
}

// A thousand services, four at a time, each with a prefix, a cycle and its events.
func TestAThousandServices(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	var group errgroup.Group
	group.SetLimit(4)
	for i := range 1000 {
		c := provisioning.CreateService{ServiceID: w.NewID(), CycleID: w.NewID(), ServiceName: fmt.Sprintf("svc-%04d", i), CustomerID: customer, PlanID: plan,
			Prefixes: []provisioning.AssignmentInput{{AssignmentID: w.NewID(), Prefix: fmt.Sprintf("10.20.%d.%d/32", i/256, i%256)}}}
		group.Go(func() error {
			_, err := command.Run(context.Background(), w.DB, w.Meta(), c)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := worldtest.One[int](w, `select count(*) from service s join cycle c on c.service_id = s.id join assignment a on a.service_id = s.id`); n != 1000 {
		t.Errorf("got %d, want 1000", n)
	}
}
