package bandwidth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

const ports = `select coalesce(string_agg(s.name || ' ' || if_index || ' ' || to_char(lower(valid) at time zone 'utc', 'DD HH24:MI') || coalesce(' to ' || to_char(upper(valid) at time zone 'utc', 'DD HH24:MI'), ''),
	', ' order by valid, if_index), '') from binding b join service s on s.id = b.service_id`

func TestAPortGoesFromServiceToService(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan, leaf := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s")), w.Exporter("leaf-0", "127.1.0.1/32")
	a, b := w.Service("a", customer, plan).ServiceID, w.Service("b", customer, plan).ServiceID
	before := len(w.Events())
	w.Set("2026-01-02T10:00:00.123456789Z")
	bound := worldtest.Must(w, bandwidth.BindPort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, ServiceID: a})
	if want := w.Time("2026-01-02T10:00:00.123456Z"); !bound.From.Equal(want) || bound.To != nil {
		t.Errorf("got %+v", bound)
	}
	f := worldtest.Refused(w, bandwidth.BindPort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, ServiceID: b}, fault.Conflict, "port_taken")
	if !strings.Contains(f.Error(), "if_index: port 513 of leaf-0 is bound to service a since 2026-01-02T10:00:00Z") {
		t.Errorf("got %q", f)
	}
	w.Set("2026-01-03T10:00:00Z")
	worldtest.Must(w, bandwidth.MovePort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, FromServiceID: a, ToServiceID: b})
	worldtest.Must(w, bandwidth.ReleasePort{ExporterID: leaf, IfIndex: 513, ServiceID: b, At: w.Time("2026-01-05T00:00:00Z")}) // ahead of time
	worldtest.CheckChanged(w, "bandwidth.MovePort", fmt.Sprintf(`{"service_id": "%s"} {"service_id": "%s"}`, a, b))
	worldtest.CheckChanged(w, "bandwidth.ReleasePort", `{"to": null} {"to": "2026-01-05T00:00:00Z"}`)
	until := w.Time("2026-01-07T00:00:00Z")
	worldtest.Must(w, bandwidth.BindPort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, ServiceID: a, From: w.Time("2026-01-06T00:00:00Z"), To: &until})
	worldtest.Must(w, bandwidth.MovePort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, FromServiceID: a, ToServiceID: b, At: w.Time("2026-01-06T12:00:00Z")})
	f = worldtest.Refused(w, bandwidth.BindPort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, ServiceID: a, From: w.Time("2026-01-06T18:00:00Z")}, fault.Conflict, "port_taken")
	if !strings.Contains(f.Error(), "service b since 2026-01-06T12:00:00Z until 2026-01-07T00:00:00Z") {
		t.Errorf("got %q", f)
	}
	want := "a 513 02 10:00 to 03 10:00, b 513 03 10:00 to 05 00:00, a 513 06 00:00 to 06 12:00, b 513 06 12:00 to 07 00:00"
	if got := worldtest.One[string](w, ports); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	news := []string{"PortBound", "PortReleased", "PortBound", "PortReleased", "PortBound", "PortReleased", "PortBound"}
	var got []string
	for _, e := range w.Events()[before:] {
		name, _, _ := strings.Cut(strings.TrimPrefix(e, "bandwidth."), " ")
		got = append(got, name)
	}
	if !slices.Equal(got, news) {
		t.Errorf("got events %v, want %v", got, news)
	}
}

// A service may have several ports, and other exporters have ports of the same number.
func TestPortsStandAlone(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	service := w.Service("a", customer, plan).ServiceID
	for _, exporter := range []uuid.UUID{w.Exporter("leaf-0", "127.1.0.1/32"), w.Exporter("leaf-1", "127.1.0.2/32")} {
		for _, port := range []int64{1, 1<<32 - 1} {
			worldtest.Must(w, bandwidth.BindPort{BindingID: w.NewID(), ExporterID: exporter, IfIndex: port, ServiceID: service})
		}
	}
	if n := worldtest.One[int](w, `select count(*) from binding`); n != 4 {
		t.Errorf("%d bindings, want 4", n)
	}
}

// What flows or counters have counted is not taken back, neither by a binding nor by its end.
func TestAPortCannotLeaveThePast(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan, leaf := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s")), w.Exporter("leaf-0", "127.1.0.1/32")
	a, b := w.Service("a", customer, plan).ServiceID, w.Service("b", customer, plan).ServiceID
	w.Use(a, leaf, w.Time("2026-01-02T08:00:00Z"), 1000, 0)
	w.Set("2026-01-02T10:00:00Z")
	bind := bandwidth.BindPort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, ServiceID: a, From: w.Time("2026-01-02T08:59:00Z")}
	f := worldtest.Refused(w, bind, fault.Conflict, "usage_counted")
	if !strings.Contains(f.Message, "bind the port from now on, or at most 5 minutes back") {
		t.Errorf("got %q", f.Message)
	}
	bind.From = w.Time("2026-01-02T09:00:00Z")
	worldtest.Must(w, bind)
	w.Use(b, leaf, w.Time("2026-01-02T09:00:00Z"), 1000, 0)
	move := bandwidth.MovePort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 513, FromServiceID: a, ToServiceID: b, At: w.Time("2026-01-02T09:30:00Z")}
	worldtest.Refused(w, move, fault.Conflict, "usage_counted")
	w.Use(a, leaf, w.Time("2026-01-02T09:00:00Z"), 1000, 0)
	release := bandwidth.ReleasePort{ExporterID: leaf, IfIndex: 513, ServiceID: a, At: w.Time("2026-01-02T09:30:00Z")}
	worldtest.Refused(w, release, fault.Conflict, "usage_counted")
	move.At = w.Time("2026-01-02T09:55:00Z")
	worldtest.Must(w, move)
}

func TestBindingsAreRefused(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan, leaf := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s")), w.Exporter("leaf-0", "127.1.0.1/32")
	a, b := w.Service("a", customer, plan).ServiceID, w.Service("b", customer, plan).ServiceID
	good := bandwidth.BindPort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 7, ServiceID: a}
	for code, spoil := range map[string]func(*bandwidth.BindPort){
		"exporter_not_found": func(c *bandwidth.BindPort) { c.ExporterID = w.NewID() },
		"service_not_found":  func(c *bandwidth.BindPort) { c.ServiceID = w.NewID() },
	} {
		c := good
		spoil(&c)
		worldtest.Refused(w, c, fault.NotFound, code)
	}
	early := good
	early.From = w.Time("2025-12-31T23:00:00Z")
	worldtest.CheckField(t, worldtest.Refused(w, early, fault.Invalid, "invalid_input"), "from")
	to := w.Time("2025-12-31T23:00:00Z")
	early.From, early.To = time.Time{}, &to
	worldtest.CheckField(t, worldtest.Refused(w, early, fault.Invalid, "invalid_input"), "to")
	worldtest.Must(w, good)
	again := good
	again.IfIndex = 8
	worldtest.Refused(w, again, fault.Conflict, "binding_exists")
	worldtest.Refused(w, bandwidth.ReleasePort{ExporterID: leaf, IfIndex: 7, ServiceID: b}, fault.NotFound, "not_bound")
	worldtest.Refused(w, bandwidth.ReleasePort{ExporterID: leaf, IfIndex: 9, ServiceID: a}, fault.NotFound, "not_bound")
	for field, spoil := range map[string]func(*bandwidth.BindPort){
		"if_index":    func(c *bandwidth.BindPort) { c.IfIndex = 1 << 32 },
		"exporter_id": func(c *bandwidth.BindPort) { c.ExporterID = uuid.Nil },
		"service_id":  func(c *bandwidth.BindPort) { c.ServiceID = uuid.Nil },
		"binding_id":  func(c *bandwidth.BindPort) { c.BindingID = uuid.Nil },
	} {
		c := good
		spoil(&c)
		worldtest.CheckField(t, c.Validate(), field)
	}
	worldtest.CheckField(t, bandwidth.MovePort{BindingID: w.NewID(), ExporterID: leaf, IfIndex: 7, FromServiceID: a, ToServiceID: a}.Validate(), "to_service_id")
	worldtest.CheckField(t, bandwidth.ReleasePort{ExporterID: leaf, ServiceID: a}.Validate(), "if_index")
}

const attachments = `select coalesce(string_agg(concat_ws(' ', s.name, to_char(lower(valid) at time zone 'utc', 'DD'), coalesce(e.name, 'any')), ', ' order by valid), '')
	from assignment a join service s on s.id = a.service_id left join exporter e on e.id = a.attachment_id where prefix = '10.20.0.1/32'`

func TestAttachmentsHaveAHistory(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, plan, leaf0, leaf1 := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s")), w.Exporter("leaf-0", "127.1.0.1/32"), w.Exporter("leaf-1", "127.1.0.2/32")
	a, b := w.Service("a", customer, plan).ServiceID, w.Service("b", customer, plan).ServiceID
	const prefix = "10.20.0.1/32"
	worldtest.Must(w, bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, AttachmentID: &leaf0})
	w.Set("2026-01-02T00:00:00Z")
	change := bandwidth.ChangeAttachment{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, AttachmentID: &leaf1}
	worldtest.Must(w, change)
	before := len(w.Events())
	w.Set("2026-01-03T00:00:00Z")
	if same := worldtest.Must(w, change); same.AssignmentID != change.AssignmentID || len(w.Events()) != before {
		t.Errorf("an attachment as it is changes nothing: got %+v", same)
	}
	worldtest.Must(w, bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: prefix, FromServiceID: a, ToServiceID: b}) // keeps it
	w.Set("2026-01-04T00:00:00Z")
	worldtest.Must(w, bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: prefix, FromServiceID: b, ToServiceID: a, AttachmentID: &leaf0})
	w.Set("2026-01-05T00:00:00Z")
	worldtest.Must(w, bandwidth.ChangeAttachment{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix})
	want := "a 01 leaf-0, a 02 leaf-1, b 03 leaf-1, a 04 leaf-0, a 05 any"
	if got := worldtest.One[string](w, attachments); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if n := worldtest.One[int](w, `select count(*) from outbox where type = 'bandwidth.PrefixAssigned' and payload->>'attachment_id' is not null`); n != 4 {
		t.Errorf("%d assignments told their attachment, want 4", n)
	}
	nobody, none := w.NewID(), uuid.Nil
	worldtest.Refused(w, bandwidth.ChangeAttachment{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, AttachmentID: &nobody}, fault.NotFound, "not_assigned") // at its very beginning
	w.Set("2026-01-06T00:00:00Z")
	worldtest.Refused(w, bandwidth.ChangeAttachment{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, AttachmentID: &nobody}, fault.NotFound, "exporter_not_found")
	worldtest.Refused(w, bandwidth.ChangeAttachment{AssignmentID: w.NewID(), ServiceID: b, Prefix: prefix}, fault.NotFound, "not_assigned")
	worldtest.CheckField(t, bandwidth.ChangeAttachment{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, AttachmentID: &none}.Validate(), "attachment_id")
	worldtest.CheckField(t, bandwidth.AssignPrefix{AssignmentID: w.NewID(), ServiceID: a, Prefix: prefix, AttachmentID: &none}.Validate(), "attachment_id")
}
