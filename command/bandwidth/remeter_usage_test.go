package bandwidth_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

const (
	describeCorrections = `select coalesce(array_agg(concat_ws(' ', s.name, e.name, to_char(hour at time zone 'utc', 'DD HH24'), bytes_in_l2, bytes_out_l2, bytes_in_l3,
		bytes_out_l3, packets_in, packets_out, samples_in, samples_out, c.reason) order by s.name, hour), '{}')
		from usage_correction c join service s on s.id = service_id join exporter e on e.id = exporter_id where kind = 'remeter' and applied_at is null`
	auditedInput = `select input::text from audit where command = 'bandwidth.RemeterUsage' order by at desc limit 1`
)

// remetered is a world in which a prefix moved from a to b at 09:00 of 2 January, and only now is that known.
type remetered struct {
	*worldtest.World
	a, b, exporter uuid.UUID
	order          bandwidth.RemeterUsage
}

func newRemetered(t *testing.T) remetered {
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	r := remetered{World: w, exporter: w.Exporter("leaf-0", "127.1.0.1/32")}
	r.a, r.b = w.Service("a", customer, plan, "10.20.0.1/32").ServiceID, w.Service("b", customer, plan).ServiceID
	hour := w.Time("2026-01-02T09:00:00Z")
	w.Use(r.a, r.exporter, hour, 5_000_000, 3_000_000)
	w.SetTime(w.Time("2026-01-02T12:00:00Z"))
	w.Watermark(w.Time("2026-01-02T10:00:00Z"))
	old := bandwidth.Usage{BytesInL2: 5_000_000, BytesOutL2: 3_000_000, BytesInL3: 4_500_000, BytesOutL3: 2_700_000, SamplesIn: 5, SamplesOut: 3}
	part := bandwidth.Usage{BytesInL2: 2_000_000, BytesInL3: 1_800_000, SamplesIn: 2}
	r.order = bandwidth.RemeterUsage{BatchID: w.NewID(), From: hour, To: w.Time("2026-01-02T10:00:00Z"), Reason: "wrong service", Hours: []bandwidth.RemeteredHour{
		{ServiceID: r.a, ExporterID: r.exporter, Hour: hour, Old: old, By: bandwidth.Usage{BytesInL2: -2_000_000, BytesInL3: -1_800_000, SamplesIn: -2}},
		{ServiceID: r.b, ExporterID: r.exporter, Hour: hour, By: part},
	}}
	return r
}

func TestRemeterUsage(t *testing.T) {
	t.Parallel()
	w := newRemetered(t)
	before := len(w.Events())
	if got := worldtest.Must(w.World, w.order); got.Hours != 2 || got.Services != 2 || got.BatchID != w.order.BatchID {
		t.Errorf("answer %+v", got)
	}
	want := []string{"a leaf-0 02 09 -2000000 0 -1800000 0 0 0 -2 0 wrong service", "b leaf-0 02 09 2000000 0 1800000 0 0 0 2 0 wrong service"}
	if got := worldtest.One[[]string](w.World, describeCorrections); !slices.Equal(got, want) {
		t.Errorf("corrections %q", got)
	}
	if got := w.Events()[before:]; len(got) != 2 || !strings.HasPrefix(got[0], "bandwidth.UsageRemetered") {
		t.Errorf("events %v", got)
	}
	payload := worldtest.One[string](w.World, `select payload::text from outbox where type = 'bandwidth.UsageRemetered' and payload->>'service_id' = $1`, w.a.String())
	if !strings.Contains(payload, "-2000000") {
		t.Errorf("event %s", payload)
	}
	audited := worldtest.One[string](w.World, auditedInput)
	if !strings.Contains(audited, "wrong service") || strings.Contains(audited, "2000000") || !strings.Contains(audited, w.order.BatchID.String()) {
		t.Errorf("audited %s", audited)
	}
	// A second run was computed from the same books, which the waiting corrections have changed.
	worldtest.Refused(w.World, w.order, fault.Conflict, "usage_changed")
}

func TestRemeterUsageIsOptimistic(t *testing.T) {
	t.Parallel()
	w := newRemetered(t)
	w.Watermark(w.Time("2026-01-02T09:59:59Z"))
	worldtest.Refused(w.World, w.order, fault.Conflict, "not_metered_yet")
	w.Watermark(w.Time("2026-01-02T10:00:00Z"))
	w.Use(w.b, w.exporter, w.order.From, 1_000_000, 0)
	worldtest.Refused(w.World, w.order, fault.Conflict, "usage_changed")
	if got := worldtest.One[int64](w.World, `select count(*) from usage_correction`); got != 0 {
		t.Errorf("%d corrections of refused commands", got)
	}
}

func TestRemeterUsageIsChecked(t *testing.T) {
	t.Parallel()
	w := newRemetered(t)
	for field, change := range map[string]func(*bandwidth.RemeterUsage){
		"batch_id":             func(c *bandwidth.RemeterUsage) { c.BatchID = uuid.Nil },
		"reason":               func(c *bandwidth.RemeterUsage) { c.Reason = "" },
		"to":                   func(c *bandwidth.RemeterUsage) { c.To = c.From },
		"hours":                func(c *bandwidth.RemeterUsage) { c.Hours = nil },
		"hours[0].service_id":  func(c *bandwidth.RemeterUsage) { c.Hours[0].ServiceID = uuid.Nil },
		"hours[1].exporter_id": func(c *bandwidth.RemeterUsage) { c.Hours[1].ExporterID = uuid.Nil },
		"hours[1].hour":        func(c *bandwidth.RemeterUsage) { c.Hours[1].Hour = c.To },
		"hours[1].by":          func(c *bandwidth.RemeterUsage) { c.Hours[1].By = bandwidth.Usage{} },
		"hours[0].by":          func(c *bandwidth.RemeterUsage) { c.Hours[0].By.SamplesOut = -4 },
	} {
		order := w.order
		order.Hours = slices.Clone(order.Hours)
		change(&order)
		worldtest.CheckField(t, order.Validate(), field)
	}
	order := w.order
	order.Hours = slices.Repeat(order.Hours, bandwidth.MaxRemeteredHours)
	worldtest.CheckField(t, order.Validate(), "hours")
}

// What the past says may be corrected, when whoever does it says so.
func TestAPrefixLeavesThePastWhenThatCorrectsIt(t *testing.T) {
	t.Parallel()
	w := newRemetered(t)
	at := w.Time("2026-01-02T08:30:00Z")
	move := bandwidth.MovePrefix{AssignmentID: w.NewID(), Prefix: "10.20.0.1/32", FromServiceID: w.a, ToServiceID: w.b, At: at}
	f := worldtest.Refused(w.World, move, fault.Conflict, "usage_counted")
	if !strings.Contains(f.Message, "corrects") {
		t.Errorf("the refusal does not say how: %s", f.Message)
	}
	move.Corrects = true
	worldtest.Must(w.World, move)
	worldtest.Must(w.World, bandwidth.ReleasePrefix{ServiceID: w.b, Prefix: move.Prefix, At: at.Add(time.Minute), Corrects: true})
	if got, want := worldtest.One[string](w.World, history, move.Prefix), "a 01 00:00 to 02 08:30, b 02 08:30 to 02 08:31"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := worldtest.One[int64](w.World, `select count(*) from usage_correction`); got != 0 {
		t.Errorf("a move wrote %d corrections itself", got)
	}
}
