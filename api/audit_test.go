package api_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

type auditEntry struct {
	Sequence  *int64
	At        time.Time
	Actor     string
	Command   string
	Object    struct{ Type, ID string }
	RequestID string `json:"request_id"`
	IP        string
	UserAgent string `json:"user_agent"`
	Input     map[string]any
	Before    map[string]any
	After     map[string]any
	By        string
}

func (e *env) audit(query string, as ...as) list[auditEntry] {
	e.Helper()
	return decode[list[auditEntry]](e.TB, e.must(200, "GET", "/api/v1/audit"+query, ""))
}

// A change says where it came from, and what of its object it changed; what is personal stays out.
func TestTheAuditLogSaysWhatChanged(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.clock.ahead.Add(int64(time.Hour))
	e.must(200, "PUT", "/api/v1/customers/a@example.com", `{"name":"Ada Lovelace"}`)
	got := e.audit("?command=identity.ChangeCustomer").Items
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	c := got[0]
	if c.Actor != "staff:token" || c.Object.Type != "customer" || c.IP != "127.0.0.1" || !strings.HasPrefix(c.UserAgent, "Go-http-client") || c.RequestID == "" || c.Sequence != nil ||
		c.Before["name"] != "[redacted]" || c.After["name"] != "[redacted]" {
		t.Errorf("%+v", c)
	}
	if all := e.must(200, "GET", "/api/v1/audit", ""); strings.Contains(all.body, "Lovelace") {
		t.Errorf("a name is in the log: %s", all.body)
	}
	exporter := e.must(200, "GET", "/api/v1/exporters/leaf-0", "")
	e.must(200, "PUT", "/api/v1/exporters/leaf-0", `{"source":"10.0.0.11/32","rate_max":4096,"count_policy":"both"}`)
	changed := e.audit("?command=bandwidth.ChangeExporter").Items
	if len(changed) != 1 || changed[0].After["rate_max"] != 4096.0 || changed[0].After["count_policy"] != "both" || changed[0].Before["rate_max"] != 1e6 || changed[0].After["name"] != nil {
		t.Errorf("%+v of %s", changed, exporter.body)
	}
}

func TestTheAuditLogIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	e := company(t)
	whole := e.audit("?limit=500").Items
	if len(whole) < 6 {
		t.Fatalf("%d entries", len(whole))
	}
	var paged []auditEntry
	for cursor := ""; ; {
		page := e.audit("?limit=2&cursor=" + url.QueryEscape(cursor))
		paged = append(paged, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	a, _ := json.Marshal(whole)
	if b, _ := json.Marshal(paged); string(a) != string(b) {
		t.Errorf("pages hold %s, the whole is %s", b, a)
	}
	object := whole[0].Object
	for query, keeps := range map[string]func(auditEntry) bool{
		"actor=staff:":                            func(x auditEntry) bool { return strings.HasPrefix(x.Actor, "staff:") },
		"actor=staff:token":                       func(x auditEntry) bool { return x.Actor == "staff:token" },
		"actor=customer:":                         func(auditEntry) bool { return false },
		"command=catalog.CreatePlan":              func(x auditEntry) bool { return x.Command == "catalog.CreatePlan" },
		"command=identity.":                       func(x auditEntry) bool { return strings.HasPrefix(x.Command, "identity.") },
		"object=service":                          func(x auditEntry) bool { return x.Object.Type == "service" },
		"object=" + object.ID:                     func(x auditEntry) bool { return x.Object.ID == object.ID },
		"object=" + object.Type + ":" + object.ID: func(x auditEntry) bool { return x.Object.ID == object.ID },
		"object=plan:" + object.ID:                func(x auditEntry) bool { return x.Object.ID == object.ID && x.Object.Type == "plan" },
		"from=2026-03-10T12:30:00Z":               func(auditEntry) bool { return true },
		"from=2026-03-10T12:30:01Z":               func(auditEntry) bool { return false },
		"to=2026-03-10T12:30:00Z":                 func(auditEntry) bool { return false },
		"from=2026-03-10T12:30:00Z&to=2026-03-10T12:30:01Z&actor=staff:&command=identity.&object=customer": func(x auditEntry) bool { return x.Object.Type == "customer" },
	} {
		want := 0
		for _, x := range whole {
			if keeps(x) {
				want++
			}
		}
		got := e.audit("?limit=500&" + query).Items
		for _, x := range got {
			if !keeps(x) {
				t.Errorf("%s gives %+v", query, x)
			}
		}
		if len(got) != want {
			t.Errorf("%s gives %d entries, want %d", query, len(got), want)
		}
	}
	for query, location := range map[string]string{"object=service:x": "query.object", "cursor=x": "query.cursor", "cursor=WyIyMDI2LTAzLTEwVDEyOjMwOjAwWiIsIngiXQ": "query.cursor"} {
		if p := decode[told](t, e.must(422, "GET", "/api/v1/audit?"+query, "")); len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

// A customer sees what was done to what is theirs, and nothing of what stood in it, of who in the house did it, or of others.
func TestCustomersSeeTheirOwnActivity(t *testing.T) {
	t.Parallel()
	e := company(t)
	a := e.customer("a@example.com")
	e.clock.ahead.Add(int64(time.Minute))
	e.must(200, "PUT", "/api/v1/customers/a@example.com", `{"name":"Ada"}`)
	e.must(200, "PUT", "/api/v1/customers/b@example.com", `{"name":"Bob"}`)
	e.exec(`insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, ip, user_agent)
		select $1, 'person:' || id, 'test.Own', 'ticket', gen_random_uuid(), 'r', '{"inner": 1}', '198.51.100.7', 'Firefox' from person`, start.Add(time.Hour))
	e.exec(`insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, ip, user_agent)
		select $1, 'person:' || gen_random_uuid(), 'test.Foreign', 'customer', id, 'r', '{"inner": 1}', '198.51.100.8', 'Chrome' from customer`, start.Add(time.Hour))
	e.exec(`insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input)
		select $1, 'policy:sweeper', 'test.Step', 'service', id, '', '{"inner": 1}' from service`, start.Add(2*time.Hour))
	answer := e.call("GET", "/api/v1/activity?limit=500", "", a)
	for _, hidden := range []string{"staff:token", "inner", "input", "before", "redacted", "svc-b", "request_id", "policy:", "127.0.0.1", "198.51.100.8", "Chrome", "sequence"} {
		if strings.Contains(answer.body, hidden) {
			t.Errorf("the activity holds %q: %s", hidden, answer.body)
		}
	}
	var told []string
	whole := decode[list[auditEntry]](t, answer).Items
	for _, x := range whole {
		told = append(told, x.By+" "+x.Command+" "+x.IP)
	}
	want := "system test.Step |other test.Foreign |you test.Own 198.51.100.7|staff identity.ChangeCustomer |system membership.Change |staff provisioning.CreateService |staff identity.RegisterCustomer "
	if got := strings.Join(told, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var paged []auditEntry
	for cursor := ""; ; {
		page := decode[list[auditEntry]](t, e.call("GET", "/api/v1/activity?limit=1&cursor="+url.QueryEscape(cursor), "", a))
		paged = append(paged, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	x, _ := json.Marshal(whole)
	if y, _ := json.Marshal(paged); string(x) != string(y) {
		t.Errorf("pages hold %s, the whole is %s", y, x)
	}
	staff := decode[list[auditEntry]](t, e.must(200, "GET", "/api/v1/activity?limit=500", ""))
	for _, x := range staff.Items {
		if x.By != "you" {
			t.Errorf("the operator's own activity holds %+v", x)
		}
	}
}
