package api_test

import (
	"strings"
	"testing"
)

type boundService struct {
	Prefixes []struct{ Prefix, From, To, Attachment string }
	Ports    []struct {
		Exporter string
		IfIndex  int64 `json:"if_index"`
		From, To string
	}
}

func TestPortsAreBoundAndReleased(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.must(201, "POST", "/api/v1/services/svc-a/ports", `{"exporter":"leaf-0","if_index":513}`)
	taken := decode[told](t, e.must(409, "POST", "/api/v1/services/svc-b/ports", `{"exporter":"leaf-0","if_index":513}`))
	if taken.Code != "port_taken" || len(taken.Errors) != 1 || taken.Errors[0].Location != "body.if_index" || !strings.Contains(taken.Errors[0].Message, "service svc-a since 2026-03-10T12:30:00Z") {
		t.Errorf("%+v", taken)
	}
	e.must(201, "POST", "/api/v1/port-moves", `{"exporter":"leaf-0","if_index":513,"from_service":"svc-a","to_service":"svc-b","at":"2026-03-10T13:00:00Z"}`)
	e.must(200, "POST", "/api/v1/services/svc-b/ports/release", `{"exporter":"leaf-0","if_index":513,"at":"2026-03-11T00:00:00Z"}`)
	got := decode[boundService](t, e.must(200, "GET", "/api/v1/services/svc-b", "")).Ports
	if len(got) != 1 || got[0].Exporter != "leaf-0" || got[0].IfIndex != 513 || got[0].From != "2026-03-10T13:00:00Z" || got[0].To != "2026-03-11T00:00:00Z" {
		t.Errorf("ports %+v", got)
	}
	for body, location := range map[string]string{
		`{"exporter":"leaf-9","if_index":1}`:                                           "body.exporter",
		`{"exporter":"leaf-0","if_index":0}`:                                           "body.if_index",
		`{"exporter":"leaf-0","if_index":4294967296}`:                                  "body.if_index",
		`{"exporter":"leaf-0","if_index":1,"from":"2026-02-01T00:00:00Z"}`:             "body.from",
		`{"exporter":"leaf-0","if_index":1,"to":"2026-03-10T12:00:00Z"}`:               "body.to",
		`{"exporter":"leaf-0","if_index":1,"from":"2026-03-10T13:00:00Z","until":"x"}`: "body.until",
	} {
		p := decode[told](t, e.must(422, "POST", "/api/v1/services/svc-a/ports", body))
		if len(p.Errors) == 0 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v, want %s", body, p.Errors, location)
		}
	}
}

// Which device a customer's port or prefix is on is the network's business.
func TestCustomersSeeNoDevices(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.must(201, "POST", "/api/v1/services/svc-a/ports", `{"exporter":"leaf-0","if_index":513}`)
	e.must(201, "POST", "/api/v1/services/svc-a/prefixes", `{"prefix":"10.40.0.0/24","attachment":"leaf-0"}`)
	a := e.customer("a@example.com")
	for _, path := range []string{"/api/v1/services/svc-a", "/api/v1/services"} {
		if got := e.call("GET", path, "", a); got.status != 200 || strings.Contains(got.body, "leaf-0") || strings.Contains(got.body, "513") || !strings.Contains(got.body, "10.40.0.0/24") {
			t.Errorf("%s as the customer: %d %s", path, got.status, got.body)
		}
		if got := e.must(200, "GET", path, ""); strings.Count(got.body, "leaf-0") != 2 {
			t.Errorf("%s as staff: %s", path, got.body)
		}
	}
}

func TestPrefixesAreAttached(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.must(201, "POST", "/api/v1/exporters", `{"name":"leaf-1","source":"127.1.0.2/32"}`)
	e.must(201, "POST", "/api/v1/services", `{"name":"svc-c","customer":"a@example.com","plan":"vps-s","prefixes":["10.50.0.1/32",{"prefix":"10.50.0.2/32","attachment":"leaf-0"},{"prefix":"10.50.0.3/32"}]}`)
	e.must(200, "POST", "/api/v1/services/svc-c/prefixes/attachment", `{"prefix":"10.50.0.3/32","attachment":"leaf-1"}`)
	e.must(201, "POST", "/api/v1/prefix-moves", `{"prefix":"10.20.0.1/32","from_service":"svc-a","to_service":"svc-c","attachment":"leaf-1"}`)
	got := ""
	for _, p := range decode[boundService](t, e.must(200, "GET", "/api/v1/services/svc-c", "")).Prefixes {
		if p.To == "" {
			got += p.Prefix + " " + p.Attachment + ", "
		}
	}
	if want := "10.20.0.1/32 leaf-1, 10.50.0.1/32 , 10.50.0.2/32 leaf-0, 10.50.0.3/32 leaf-1, "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, c := range [][3]string{
		{"/api/v1/services", `{"name":"svc-d","customer":"a@example.com","plan":"vps-s","prefixes":[{"prefix":"10.60.0.2/32","attachment":"leaf-9"}]}`, "body.prefixes[0].attachment"},
		{"/api/v1/services", `{"name":"svc-d","customer":"a@example.com","plan":"vps-s","prefixes":[{"prefix":"10.60.0.2/32","attached":"leaf-0"}]}`, "body.prefixes[0]"},
		{"/api/v1/services", `{"name":"svc-d","customer":"a@example.com","plan":"vps-s","prefixes":[7]}`, "body.prefixes[0]"},
		{"/api/v1/services/svc-c/prefixes", `{"prefix":"10.60.0.2/32","attachment":"leaf-9"}`, "body.attachment"},
		{"/api/v1/services/svc-c/prefixes/attachment", `{"prefix":"10.50.0.3/24"}`, "body.prefix"},
	} {
		p := decode[told](t, e.must(422, "POST", c[0], c[1]))
		if len(p.Errors) == 0 || p.Errors[0].Location != c[2] {
			t.Errorf("%s: %+v, want %s", c[1], p.Errors, c[2])
		}
	}
}

func TestExportersShowTheirSettings(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.must(200, "PUT", "/api/v1/exporters/leaf-0", `{"source":"127.1.0.1/32","count_policy":"bound","inside":["vxlan","gre"],"rate_default":1000,"rate_override":2000}`)
	got := e.must(200, "GET", "/api/v1/exporters/leaf-0", "").body
	for _, part := range []string{`"count_policy":"bound"`, `"inside":["gre","vxlan"]`, `"rate_default":1000`, `"rate_override":2000`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	e.must(200, "PUT", "/api/v1/exporters/leaf-0", `{"source":"127.1.0.1/32"}`)
	if got := e.must(200, "GET", "/api/v1/exporters/leaf-0", "").body; !strings.Contains(got, `"inside":[]`) || strings.Contains(got, "rate_default") {
		t.Errorf("settings are whole: %s", got)
	}
	e.must(422, "PUT", "/api/v1/exporters/leaf-0", `{"source":"127.1.0.1/32","inside":["vlan"]}`)
}

func TestQuarantineIsDecided(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.exec(`insert into quarantine_hourly select e.id, '2026-03-10T10:00:00Z', s.id, 'in', r, 3, 3000, 2946 from exporter e, service s, (values (0), (7)) as v (r)`)
	type answer struct {
		Rows, Samples int64
		Bytes         int64 `json:"bytes_in_l2"`
		Lengths       int64 `json:"frame_length"`
	}
	const hours = `"exporter":"leaf-0","from":"2026-03-10T00:00:00Z","to":"2026-03-11T00:00:00Z","reason":"the switch forgot its rate"`
	if got := decode[answer](t, e.must(200, "POST", "/api/v1/quarantine/release", `{`+hours+`,"service":"svc-a","rate":0,"rate_given":1000}`)); got != (answer{1, 3, 3_000_000, 0}) {
		t.Errorf("release: %+v", got)
	}
	if got := decode[answer](t, e.must(200, "POST", "/api/v1/quarantine/reject", `{`+hours+`,"rate":7}`)); got != (answer{2, 6, 0, 6000}) {
		t.Errorf("reject: %+v", got)
	}
	if p := decode[told](t, e.must(404, "POST", "/api/v1/quarantine/release", `{`+hours+`,"service":"svc-a","rate_given":1000}`)); p.Code != "nothing_open" {
		t.Errorf("%+v", p)
	}
	for body, location := range map[string]string{
		`{"exporter":"leaf-9","from":"2026-03-10T00:00:00Z","to":"2026-03-11T00:00:00Z","reason":"r"}`: "body.exporter",
		`{` + hours + `,"service":"svc-z"}`: "body.service",
		`{"exporter":"leaf-0","from":"2026-03-10T00:30:00Z","to":"2026-03-11T00:00:00Z","reason":"r"}`: "body.from",
		`{"exporter":"leaf-0","from":"2026-03-10T00:00:00Z","to":"2026-03-09T00:00:00Z","reason":"r"}`: "body.to",
		`{"exporter":"leaf-0","from":"2026-03-10T00:00:00Z","to":"2026-03-11T00:00:00Z","reason":" "}`: "body.reason",
	} {
		p := decode[told](t, e.must(422, "POST", "/api/v1/quarantine/reject", body))
		if len(p.Errors) == 0 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v, want %s", body, p.Errors, location)
		}
	}
	e.must(422, "POST", "/api/v1/quarantine/release", `{`+hours+`,"rate_given":0}`)
}
