package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"`
}

func TestAnEmptyPlatformAnswersEverything(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, path := range []string{"services", "invoices", "alerts", "exporters", "collectors", "unattributed", "plans", "customers", "dev/mailbox", "usage"} {
		if a := e.must(200, "GET", "/api/v1/"+path, ""); a.body != none {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestServiceWithItsCycle(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.meter("svc-a", start.Add(-time.Minute), 900_000_000, 200_000_000)
	e.hear(start.Add(-time.Minute), 3)
	e.exec(`update loss_hourly set samples_lost = 5, records_lost = 7`)
	e.exec(`insert into quarantine_hourly (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length)
		select e.id, $1, s.id, 'in', 0, 9, 1000, 900 from exporter e, service s`, start.Truncate(time.Hour))
	type cycle struct {
		Status      string
		Billable    int64    `json:"billable_bytes"`
		Projected   int64    `json:"projected_bytes"`
		Bound       *float64 `json:"error_bound_percent"`
		Lost        int64    `json:"datagrams_lost"`
		Samples     int64    `json:"samples_lost"`
		Records     int64    `json:"records_lost"`
		Quarantined int64    `json:"samples_quarantined"`
		Overage     struct {
			Bytes  int64
			Amount struct{ Amount, Currency string }
		}
	}
	got := decode[struct {
		Name     string
		Customer struct{ Name, Email string }
		Plan     struct {
			Name  string
			Price struct{ Amount string }
		}
		Prefixes []struct{ Prefix, From string }
		Cycle    *cycle
		Version  int64
	}](t, e.must(200, "GET", "/api/v1/services/svc-a", ""))
	if got.Cycle == nil {
		t.Fatal("no cycle")
	}
	bound := 138.592929
	want := cycle{Status: "open", Billable: 1_100_000_000, Projected: 1_100_000_000 * 2678400 / 822600, Bound: &bound, Lost: 3, Samples: 5, Records: 7, Quarantined: 9}
	want.Overage.Bytes = 100_000_000
	want.Overage.Amount.Amount, want.Overage.Amount.Currency = "1.00", "USD"
	if diff := cmp.Diff(want, *got.Cycle); diff != "" {
		t.Error(diff)
	}
	if got.Plan.Price.Amount != "5.00" || got.Customer.Email != "a@example.com" || got.Version == 0 {
		t.Errorf("got %+v", got)
	}
	if len(got.Prefixes) != 1 || got.Prefixes[0].Prefix != "10.20.0.1/32" || got.Prefixes[0].From != "2026-03-01T00:00:00Z" {
		t.Errorf("prefixes %+v", got.Prefixes)
	}
}

func TestUsageTotalsAreExactAndOrdered(t *testing.T) {
	t.Parallel()
	e := company(t)
	hour := start.Truncate(time.Hour)
	e.meter("svc-b", hour.Add(-2*time.Hour), 9_007_199_254_740_993, 100) // more than a float holds
	e.meter("svc-b", hour, 50, 60)
	e.hear(hour, 7)
	e.hear(hour.Add(-2*time.Hour), 1)
	e.exec(`update loss_hourly set samples_lost = 11, records_lost = 5 where hour = $1`, hour)
	e.exec(`insert into quarantine_hourly (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length)
		select e.id, $1, s.id, 'in', 0, 10, 1000, 900 from exporter e, service s where s.name = 'svc-b'`, hour)
	e.exec(`insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, samples, frame_length, ip_length, reason, decided_at)
		select gen_random_uuid(), exporter_id, hour, service_id, direction, rate, 'rejected', 4, 400, 360, 'test', now() from quarantine_hourly`)
	want := `{"items":[{"service":"svc-a","bytes_in_l2":0,"bytes_out_l2":0,"bytes_in_l3":0,"bytes_out_l3":0,"packets_in":0,"packets_out":0,"samples":0,"error_bound_percent":null,"datagrams_lost":0,"samples_lost":0,"records_lost":0,"samples_quarantined":0},` +
		`{"service":"svc-b","bytes_in_l2":9007199254741043,"bytes_out_l2":160,"bytes_in_l3":9007199254741007,"bytes_out_l3":124,"packets_in":2,"packets_out":2,"samples":4,"error_bound_percent":98,"datagrams_lost":8,"samples_lost":11,"records_lost":5,"samples_quarantined":6}]}` + "\n"
	if a := e.must(200, "GET", "/api/v1/usage?all=true", ""); a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	ranged := items[map[string]any](t, e.must(200, "GET", "/api/v1/usage?service=svc-b&from="+hour.Format(time.RFC3339), ""))
	if len(ranged) != 1 || ranged[0]["bytes_in_l2"] != 50.0 || ranged[0]["datagrams_lost"] != 7.0 {
		t.Errorf("range: %v", ranged)
	}
	e.exec(`update usage_hourly set samples_in = 0, samples_out = 0`) // as port counters are metered
	counted := items[map[string]any](t, e.must(200, "GET", "/api/v1/usage?service=svc-b", ""))
	if len(counted) != 1 || counted[0]["error_bound_percent"] != 0.0 {
		t.Errorf("counters are exact: %v", counted)
	}
	if a := e.call("GET", "/api/v1/usage?service=nothing", "", operator); a.status != 404 {
		t.Errorf("unknown service: %d %s", a.status, a.body)
	}
	if a := e.call("GET", "/api/v1/usage?from=2026-03-01T00:30:00Z", "", operator); a.status != 422 {
		t.Errorf("half an hour: %d %s", a.status, a.body)
	}
}

func TestListsAreCutByCursor(t *testing.T) {
	t.Parallel()
	e := company(t)
	type named struct{ Name string }
	first := decode[list[named]](t, e.must(200, "GET", "/api/v1/services?limit=1", ""))
	if len(first.Items) != 1 || first.Items[0].Name != "svc-a" || first.Next == "" {
		t.Fatalf("first page %+v", first)
	}
	second := decode[list[named]](t, e.must(200, "GET", "/api/v1/services?limit=1&cursor="+first.Next, ""))
	if len(second.Items) != 1 || second.Items[0].Name != "svc-b" || second.Next != "" {
		t.Fatalf("second page %+v", second)
	}
	for _, bad := range []string{"x", "!!!!", "WzFd", "WyJhXHUwMDAwIl0"} {
		if a := e.call("GET", "/api/v1/services?cursor="+bad, "", operator); a.status != 422 {
			t.Errorf("cursor %q: %d %s", bad, a.status, a.body)
		}
	}
	for query, want := range map[string]int{"?q=SVC-B": 1, "?q=10.20.0.1": 1, "?q=example": 2, "?customer=a@example.com": 1, "?customer=nobody": 0} {
		if got := decode[list[named]](t, e.must(200, "GET", "/api/v1/services"+query, "")); len(got.Items) != want {
			t.Errorf("%s: %d services, want %d", query, len(got.Items), want)
		}
	}
}

func TestExportersWithHealth(t *testing.T) {
	t.Parallel()
	e := company(t)
	state := func() (string, float64, float64) {
		got := decode[list[map[string]any]](t, e.must(200, "GET", "/api/v1/exporters", ""))
		x := got.Items[0]
		return x["state"].(string), x["datagrams_per_second"].(float64), x["samples_per_second"].(float64)
	}
	if s, _, _ := state(); s != "never_seen" {
		t.Errorf("at first: %s", s)
	}
	e.hear(start.Add(-time.Minute), 0)
	if s, d, n := state(); s != "receiving" || d != 1 || n != 7 {
		t.Errorf("after a datagram a second: %s %v %v", s, d, n)
	}
	e.hear(start.Add(-5*time.Minute), 4)
	if s, _, _ := state(); s != "losing" {
		t.Errorf("after a gap: %s", s)
	}
	e.exec(`insert into port (exporter_id, if_index, if_type, speed, octets_in, octets_out, read_at, rate) select id, 3, 6, 10000000000, 18446744073709551615, 5, $1, 1000 from exporter`, start)
	detail := decode[struct {
		Ports []map[string]any
		Hours []map[string]any
	}](t, e.must(200, "GET", "/api/v1/exporters/leaf-0", ""))
	if len(detail.Ports) != 1 || len(detail.Hours) != 1 || detail.Hours[0]["datagrams_lost"] != 4.0 {
		t.Errorf("detail %+v", detail)
	}
	e.clock.ahead.Store(int64(time.Hour))
	if s, _, _ := state(); s != "silent" {
		t.Errorf("an hour later: %s", s)
	}
}

func TestSeriesMarksWhatIsMissing(t *testing.T) {
	t.Parallel()
	e := company(t)
	minute := start.Truncate(time.Minute).Add(-5 * time.Minute)
	for i, lost := range []int64{0, 2, -1, 0} { // minute 2 was not heard, minute 1 lost two
		if i != 2 {
			e.hear(minute.Add(time.Duration(i)*time.Minute), lost)
		}
	}
	e.meter("svc-a", minute, 600, 60)
	e.meter("svc-a", minute.Add(30*time.Second), 400, 40)
	type point struct {
		In, Out *int64
		Gap     bool
	}
	n := func(v int64) *int64 { return &v }
	got := decode[struct {
		Step   int64 `json:"step_seconds"`
		Points []point
	}](t, e.must(200, "GET", "/api/v1/services/svc-a/usage?step=1m&from="+minute.Format(time.RFC3339), ""))
	want := []point{{n(1000), n(100), false}, {n(0), n(0), true}, {nil, nil, true}, {n(0), n(0), false}, {n(0), n(0), false}}
	if diff := cmp.Diff(want, got.Points); diff != "" {
		t.Error(diff)
	}
	bits := decode[struct{ Points []point }](t, e.must(200, "GET", "/api/v1/services/svc-a/usage?step=10s&unit=bit/s&basis=l3&from="+minute.Format(time.RFC3339), ""))
	if len(bits.Points) != 30 || *bits.Points[0].In != 466 || *bits.Points[3].In != 306 || *bits.Points[1].In != 0 || bits.Points[12].In != nil {
		t.Errorf("bits: %+v", bits.Points[:13])
	}
	if a := e.call("GET", "/api/v1/services/svc-a/usage?step=10s&from=2026-03-01T00:00:00Z", "", operator); a.status != http.StatusUnprocessableEntity {
		t.Errorf("too many points: %d %s", a.status, a.body)
	}
	days := decode[struct{ Points []point }](t, e.must(200, "GET", "/api/v1/services/svc-a/usage?step=1d&from=2026-03-10T00:00:00Z", ""))
	if diff := cmp.Diff([]point{{n(1000), n(100), true}}, days.Points); diff != "" {
		t.Error(diff)
	}
}

// The list shows each service's running cycle as the service itself does.
func TestTheListOfServicesCarriesCycles(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.meter("svc-a", start, 700, 300)
	type service struct {
		Name  string
		Cycle json.RawMessage
	}
	listed := decode[struct{ Items []service }](t, e.must(200, "GET", "/api/v1/services", ""))
	for _, s := range listed.Items {
		alone := decode[service](t, e.must(200, "GET", "/api/v1/services/"+s.Name, ""))
		if len(s.Cycle) == 0 || string(s.Cycle) != string(alone.Cycle) {
			t.Errorf("%s: %s in the list, %s alone", s.Name, s.Cycle, alone.Cycle)
		}
	}
}

// What is billed of an estimate, and how sure that is, as on the invoice.
func TestCyclesTellWhatIsBilled(t *testing.T) {
	t.Parallel()
	e := company(t)
	type cycle struct {
		Estimated int64    `json:"estimated_bytes"`
		Billable  int64    `json:"billable_bytes"`
		BillAt    string   `json:"bill_at"`
		Bound     *float64 `json:"error_bound_percent"`
		Overage   *struct{ Bytes int64 }
	}
	of := func(service string) cycle {
		return decode[struct{ Cycle cycle }](t, e.must(200, "GET", "/api/v1/services/"+service, "")).Cycle
	}
	if got := of("svc-a"); got.Bound != nil || got.BillAt != "estimate" {
		t.Errorf("nothing metered, nothing known: %+v", got)
	}
	e.meter("svc-a", start, 1_500_000_000, 500_000_000)
	e.exec(`update usage_cycle set samples_in = 30000, samples_out = 8416`) // 1 % sharp
	if got := of("svc-a"); got.Estimated != 2_000_000_000 || got.Billable != 2_000_000_000 || *got.Bound != 1 || got.Overage.Bytes != 1_000_000_000 {
		t.Errorf("at the estimate: %+v", got)
	}
	e.must(200, "PUT", "/api/v1/plans/vps-s", `{"price":{"amount":"5.00","currency":"USD"},"quota_bytes":1000000000,"bill_at":"lower_bound","overage":{"unit_bytes":1000000,"unit_price":"0.01"}}`)
	if got := of("svc-a"); got.BillAt != "lower_bound" || got.Estimated != 2_000_000_000 || got.Billable != 1_980_000_000 || *got.Bound != 1 || got.Overage.Bytes != 980_000_000 {
		t.Errorf("at the lower bound: %+v", got)
	}
	e.exec(`update usage_cycle set samples_in = 0, samples_out = 0`)
	if got := of("svc-a"); got.Billable != 2_000_000_000 || got.Bound == nil || *got.Bound != 0 {
		t.Errorf("counted by a port: %+v", got)
	}
	if got := e.must(200, "GET", "/api/v1/plans", "").body; !strings.Contains(got, `"bill_at":"lower_bound"`) {
		t.Errorf("plans: %s", got)
	}
	e.must(422, "PUT", "/api/v1/plans/vps-s", `{"price":{"amount":"5.00","currency":"USD"},"bill_at":"mean"}`)
}
