package bandwidth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

const describeExporter = `select concat_ws(' ', name, source, host(agent), count_policy, rate_min, rate_max, nullif(inside, '{}'), rate_default, rate_override) from exporter where id = $1`

func TestExporters(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Exporter("leaf-0", "127.1.0.1/32")
	if got, want := worldtest.One[string](w, describeExporter, id), "leaf-0 127.1.0.1/32 ingress 1 1000000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	settings := bandwidth.Settings{ExporterName: "leaf-1", Source: "2001:db8::/64", Agent: "2001:db8::1", CountPolicy: "both", RateMin: 128, RateMax: 4096}
	worldtest.Must(w, bandwidth.ChangeExporter{ExporterID: id, Settings: settings})
	if got, want := worldtest.One[string](w, describeExporter, id), "leaf-1 2001:db8::/64 2001:db8::1 both 128 4096"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const changes = `select before::text || ' ' || after::text from audit where command = 'bandwidth.ChangeExporter' order by id desc limit 1`
	if got, want := worldtest.One[string](w, changes), `{"name": "leaf-0", "source": "127.1.0.1/32", "rate_max": 1000000, "rate_min": 1, "count_policy": "ingress"} `+
		`{"name": "leaf-1", "agent": "2001:db8::1", "source": "2001:db8::/64", "rate_max": 4096, "rate_min": 128, "count_policy": "both"}`; got != want {
		t.Errorf("audited\n%s, want\n%s", got, want)
	}
	settings.CountPolicy, settings.Inside, settings.RateDefault, settings.RateOverride = "bound", []string{"vxlan", "gre"}, 1000, 2000
	worldtest.Must(w, bandwidth.ChangeExporter{ExporterID: id, Settings: settings})
	if got, want := worldtest.One[string](w, describeExporter, id), "leaf-1 2001:db8::/64 2001:db8::1 bound 128 4096 {gre,vxlan} 1000 2000"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := w.Events(), []string{"bandwidth.ExporterRegistered 1", "bandwidth.ExporterChanged 2", "bandwidth.ExporterChanged 3"}; !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
	again := bandwidth.Settings{ExporterName: "leaf-2", Source: "2001:db8::/64", Agent: "2001:db8::1"}
	f := worldtest.Refused(w, bandwidth.RegisterExporter{ExporterID: w.NewID(), Settings: again}, fault.Conflict, "exporter_exists")
	if want := "an exporter with source 2001:db8::/64 and agent 2001:db8::1 exists already"; f.Message != want {
		t.Errorf("got %q, want %q", f.Message, want)
	}
	again.ExporterName, again.Agent = "leaf-1", ""
	worldtest.Refused(w, bandwidth.RegisterExporter{ExporterID: w.NewID(), Settings: again}, fault.Conflict, "exporter_exists")
	worldtest.Refused(w, bandwidth.ChangeExporter{ExporterID: w.NewID(), Settings: settings}, fault.NotFound, "exporter_not_found")
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for field, settings := range map[string]bandwidth.Settings{
		"name":          {Source: "10.0.0.1/32"},
		"source":        {ExporterName: "a", Source: "10.0.0.1"},
		"agent":         {ExporterName: "a", Source: "10.0.0.1/32", Agent: "leaf"},
		"count_policy":  {ExporterName: "a", Source: "10.0.0.1/32", CountPolicy: "all"},
		"rate_min":      {ExporterName: "a", Source: "10.0.0.1/32", RateMin: -1},
		"rate_max":      {ExporterName: "a", Source: "10.0.0.1/32", RateMin: 10, RateMax: 9},
		"rate_default":  {ExporterName: "a", Source: "10.0.0.1/32", RateDefault: 1 << 32},
		"rate_override": {ExporterName: "a", Source: "10.0.0.1/32", RateOverride: -1},
	} {
		worldtest.CheckField(t, bandwidth.RegisterExporter{ExporterID: uuid.New(), Settings: settings}.Validate(), field)
	}
	for _, inside := range [][]string{{"vlan"}, {"gre", "vxlan", "gre"}, {""}} {
		settings := bandwidth.Settings{ExporterName: "a", Source: "10.0.0.1/32", Inside: inside}
		worldtest.CheckField(t, bandwidth.RegisterExporter{ExporterID: uuid.New(), Settings: settings}.Validate(), "inside")
	}
}

const history = `select coalesce(string_agg(s.name || ' ' || to_char(lower(valid) at time zone 'utc', 'DD HH24:MI') || coalesce(' to ' || to_char(upper(valid) at time zone 'utc', 'DD HH24:MI'), ''),
	', ' order by valid), '') from assignment a join service s on s.id = a.service_id where prefix = $1::cidr`

func TestAPrefixGoesFromServiceToService(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	a, b := w.Service("a", customer, plan).ServiceID, w.Service("b", customer, plan).ServiceID
	const prefix = "10.20.0.1/32"
	before := len(w.Events())

	w.Set("2026-01-02T10:00:00.123456789Z")
	worldtest.Must(w, bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix})
	f := worldtest.Refused(w, bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: b, Prefix: prefix}, fault.Conflict, "prefix_taken")
	if !strings.Contains(f.Error(), "prefix: 10.20.0.1/32 belongs to service a since 2026-01-02T10:00:00Z") {
		t.Errorf("got %q", f)
	}
	w.Set("2026-01-03T10:00:00Z")
	worldtest.Must(w, bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: prefix, FromServiceID: a, ToServiceID: b})
	worldtest.Must(w, bandwidth.ReleasePrefix{ServiceID: b, Prefix: prefix, At: w.Time("2026-01-05T00:00:00Z")}) // ahead of time
	worldtest.CheckChanged(w, "bandwidth.MovePrefix", fmt.Sprintf(`{"service_id": "%s"} {"service_id": "%s"}`, a, b))
	worldtest.CheckChanged(w, "bandwidth.ReleasePrefix", `{"to": null} {"to": "2026-01-05T00:00:00Z"}`)
	until := w.Time("2026-01-07T00:00:00Z")
	worldtest.Must(w, bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, From: w.Time("2026-01-06T00:00:00Z"), To: &until})
	worldtest.Must(w, bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: prefix, FromServiceID: a, ToServiceID: b, At: w.Time("2026-01-06T12:00:00Z")})

	want := "a 02 10:00 to 03 10:00, b 03 10:00 to 05 00:00, a 06 00:00 to 06 12:00, b 06 12:00 to 07 00:00"
	if got := worldtest.One[string](w, history, prefix); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := len(w.Events()) - before; got != 7 {
		t.Errorf("got %d events, want 4 assigned and 3 released", got)
	}
}

// What was counted is not taken back: a prefix leaves at most five minutes ago, unless nothing was counted since.
func TestAPrefixCannotLeaveThePast(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	a, b := w.Service("a", customer, plan, "10.20.0.1/32").ServiceID, w.Service("b", customer, plan).ServiceID
	exporter := w.Exporter("leaf-0", "127.1.0.1/32")
	w.Use(a, exporter, w.Time("2026-01-02T08:00:00Z"), 1000, 0)
	w.Set("2026-01-02T10:00:00Z")
	move := bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: "10.20.0.1/32", FromServiceID: a, ToServiceID: b, At: w.Time("2026-01-02T08:59:00Z")}
	worldtest.Refused(w, move, fault.Conflict, "usage_counted")
	worldtest.Refused(w, bandwidth.ReleasePrefix{ServiceID: a, Prefix: move.Prefix, At: move.At}, fault.Conflict, "usage_counted")
	move.At = w.Time("2026-01-02T09:00:00Z")
	worldtest.Must(w, move)
}

func TestAssignmentsAreRefused(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	a, b := w.Service("a", customer, plan, "10.20.0.1/32").ServiceID, w.Service("b", customer, plan).ServiceID
	assign := bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: a, Prefix: "10.20.0.2/32", From: w.Time("2025-12-31T23:00:00Z")}
	worldtest.CheckField(t, worldtest.Refused(w, assign, fault.Invalid, "invalid_input"), "from")
	assign.ServiceID = w.NewID()
	worldtest.Refused(w, assign, fault.NotFound, "service_not_found")
	worldtest.Refused(w, bandwidth.ReleasePrefix{ServiceID: b, Prefix: "10.20.0.1/32"}, fault.NotFound, "not_assigned")
	worldtest.Refused(w, bandwidth.ReleasePrefix{ServiceID: a, Prefix: "10.20.0.1/32"}, fault.NotFound, "not_assigned") // at its very beginning
	w.Set("2026-01-02T00:00:00Z")
	move := bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: "10.20.0.1/32", FromServiceID: a, ToServiceID: w.NewID()}
	worldtest.Refused(w, move, fault.NotFound, "service_not_found")
	if got, want := worldtest.One[string](w, history, "10.20.0.1/32"), "a 01 00:00"; got != want {
		t.Errorf("a refused move must change nothing: got %q, want %q", got, want)
	}
	worldtest.CheckField(t, bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: "10.20.0.1/32", FromServiceID: a, ToServiceID: a}.Validate(), "to_service_id")
	to := w.Time("2026-01-01T00:00:00Z")
	worldtest.CheckField(t, bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: a, Prefix: "10.0.0.1/32", From: to, To: &to}.Validate(), "to")
}
