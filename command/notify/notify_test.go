package notify_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// Messages as they are read are in testdata; UPDATE_TESTDATA=1 writes them anew.
func TestMessages(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	alert := notify.QuotaAlert{CustomerName: "Ada <Lovelace>", ServiceName: "svc 1", Threshold: 75, QuotaBytes: 1e12, BillableBytes: 751_234_567_890,
		Period: events.Period{From: at, To: at.AddDate(0, 0, 28)}, ReachedAt: at.Add(100 * time.Hour), Currency: "USD", OverageUnitBytes: 1e9, OverageUnitPrice: "0.01"}
	over := alert
	over.Threshold, over.BillableBytes = 100, 1e12
	free := alert
	free.OverageUnitBytes, free.OverageUnitPrice = 0, ""
	invoice := notify.Invoice{CustomerName: "Ada", ServiceName: "svc-1", InvoiceID: uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"), Number: "INV-2026-000001", Kind: "usage",
		Total: "1.16", Currency: "USD", Lines: []notify.InvoiceLine{{Description: "Traffic over 1 TB, 2026-01-01 – 2026-02-01", Amount: "1.10"}, {Description: "Late usage", Amount: "0.06"}}}
	credit := invoice
	credit.Number, credit.Kind, credit.Total, credit.Lines = "CN-2026-000001", "credit_note", "-0.40", []notify.InvoiceLine{{Description: "Late usage", Amount: "-0.40"}}
	ports := notify.Ports{ExporterName: "leaf 0", Hour: at, Off: true, Count: 3, Ports: []notify.Port{{IfIndex: 513, Name: "xe-0/0/1", RatioIn: "0.4800"}, {IfIndex: 514}, {IfIndex: 515, Silent: true}}}
	again := ports
	again.Off, again.Count, again.Ports = false, 1, []notify.Port{{IfIndex: 513, RatioIn: "1.0200", RatioOut: "0.9900"}}
	refused := notify.StaffSignIn{PersonName: "Ada", Refused: true, Factor: "totp", At: at}
	device := notify.StaffSignIn{PersonName: "Ada", IP: "192.0.2.1", UserAgent: "Browser/1", At: at}
	for name, content := range map[string]any{"staff_refused": refused, "staff_device": device, "ports": ports, "ports_again": again, "quota_alert": alert, "quota_alert_over": over, "quota_alert_free": free, "invoice": invoice, "invoice_credit": credit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkMessage(t, name, content)
		})
	}
}

func checkMessage(t *testing.T, name string, content any) {
	t.Helper()
	r, err := notify.NewRenderer(notify.Brand{Name: "Example Hosting", URL: "https://panel.example/", AdminURL: "https://staff.example/"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	person, _ := content.(notify.PersonNotice)
	m, err := r.Render(notify.Delivery{Template: templateOf(name), Content: raw, Token: tokenOf(person)})
	if err != nil {
		t.Fatal(err)
	}
	got := []byte("Subject: " + m.Subject + "\nLink: " + m.Link + "\n\n" + m.Text + "\n" + m.HTML)
	file := filepath.Join("testdata", name+".txt")
	if os.Getenv("UPDATE_TESTDATA") == "1" {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error(cmp.Diff(string(want), string(got)))
	}
}

// templateOf is that of a message in testdata.
func templateOf(name string) string {
	for prefix, template := range map[string]string{"quota": notify.TemplateQuotaAlert, "invoice": notify.TemplateInvoice, "ports": notify.TemplatePorts, "staff": notify.TemplateStaffSignIn} {
		if strings.HasPrefix(name, prefix) {
			return template
		}
	}
	for _, variant := range []string{"_left", "_reset", "_cloned", "_recovered"} {
		name = strings.TrimSuffix(name, variant)
	}
	return name
}

// tokenOf is one for a notice with a link.
func tokenOf(n notify.PersonNotice) secret.Text {
	if n.LinkID == nil {
		return secret.Text{}
	}
	return secret.New("ezl_TOKEN")
}

func TestUnknownTemplatesAndContentsAreRefused(t *testing.T) {
	t.Parallel()
	r, err := notify.NewRenderer(notify.Brand{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []notify.Delivery{{Template: "letter"}, {Template: notify.TemplateInvoice, Content: json.RawMessage(`{`)}} {
		if _, err := r.Render(d); err == nil {
			t.Errorf("%s %s must be refused", d.Template, d.Content)
		}
	}
}

func alertOf(w *worldtest.World) notify.QueueQuotaAlert {
	w.Helper()
	service := w.Service("svc-1", w.Customer("ada@example.com"), w.Plan(worldtest.Terms("vps-s")))
	return notify.QueueQuotaAlert{EventID: w.NewID(), Staff: true, Alert: events.QuotaThresholdReached{AlertID: w.NewID(), ServiceID: service.ServiceID,
		CycleID: service.CycleID, Threshold: 75, QuotaBytes: 1e12, BillableBytes: 75e10, ReachedAt: w.Now()}}
}

func TestAnEventQueuesItsMessagesOnce(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	order := alertOf(w)
	first, second := worldtest.Must(w, order), worldtest.Must(w, order)
	if len(first.NotificationIDs) != 2 || len(second.NotificationIDs) != 0 {
		t.Errorf("got %v, then %v", first, second)
	}
	if got, want := worldtest.One[string](w, `select string_agg(channel || ' ' || recipient || ' ' || status, ', ' order by channel) from notification`),
		"discord staff queued, mail ada@example.com queued"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	order.Alert.CycleID = w.NewID()
	worldtest.Refused(w, order, fault.NotFound, "cycle_not_found")
	worldtest.Refused(w, notify.QueueInvoice{EventID: w.NewID(), InvoiceID: w.NewID()}, fault.NotFound, "invoice_not_found")
}

func TestDelivery(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := worldtest.Must(w, alertOf(w)).NotificationIDs[0]
	const describe = `select concat_ws(' ', status, attempts, error, sent_at is not null) from notification where id = $1`
	steps := []struct {
		status, reason, want string
	}{
		{"queued", "mailbox full", "queued 1 mailbox full f"},
		{"failed", "no such user", "failed 2 no such user f"},
	}
	for _, s := range steps {
		if d := worldtest.Must(w, notify.BeginDelivery{NotificationID: id}); d.Status != "queued" || d.Recipient != "ada@example.com" {
			t.Fatalf("got %+v", d)
		}
		worldtest.Must(w, notify.RecordDelivery{NotificationID: id, Status: s.status, Reason: s.reason})
		if got := worldtest.One[string](w, describe, id); got != s.want {
			t.Errorf("got %q, want %q", got, s.want)
		}
	}
	if d := worldtest.Must(w, notify.BeginDelivery{NotificationID: id}); d.Status != "failed" {
		t.Errorf("a failed one is not tried again: %+v", d)
	}
	worldtest.Must(w, notify.RecordDelivery{NotificationID: id, Status: "sent"}) // an answer that came late
	worldtest.CheckChanged(w, "notify.RecordDelivery", `{"status": "failed"} {"status": "sent"}`)
	worldtest.Must(w, notify.RecordDelivery{NotificationID: id, Status: "queued", Reason: "timeout"})
	worldtest.CheckChanged(w, "notify.RecordDelivery", "")
	if got, want := worldtest.One[string](w, describe, id), "sent 2 t"; got != want {
		t.Errorf("what is sent stays sent: got %q, want %q", got, want)
	}
	worldtest.Refused(w, notify.BeginDelivery{NotificationID: w.NewID()}, fault.NotFound, "notification_not_found")
	worldtest.Refused(w, notify.RecordDelivery{NotificationID: w.NewID(), Status: "sent"}, fault.NotFound, "notification_not_found")
	for _, c := range []notify.RecordDelivery{{Status: "lost"}, {Status: "failed"}, {Status: "sent", Reason: "x"}} {
		c.NotificationID = id
		if err := c.Validate(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	if n := worldtest.One[int](w, `select count(*) from audit where input::text like '%mailbox full%'`); n != 0 {
		t.Error("a reason may name a person and must stay out of the audit")
	}
}

// Many events of an exporter and hour are one notice, about no customer, with as many ports as can be read.
func TestPortsOfAnHourAreOneNotice(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	leaf := w.Exporter("leaf-0", "127.1.0.1/32")
	hour := w.Time("2026-01-02T00:00:00Z")
	w.Exec(`insert into port_reconciliation (exporter_id, if_index, hour, ratio_in, verdict, event_id, judged_at)
		select $1, n, $2, 0.5, case when n > 30 then 'ok' else 'off' end, case when n <> 7 then gen_random_uuid() end, $2 from generate_series(1, 31) n`, leaf, hour)
	order := notify.QueuePorts{ExporterID: leaf, Hour: hour, Off: true}
	if first, again := worldtest.Must(w, order), worldtest.Must(w, order); len(first.NotificationIDs) != 1 || len(again.NotificationIDs) != 0 {
		t.Errorf("got %v, then %v", first, again)
	}
	order.Off = false
	if other := worldtest.Must(w, order); len(other.NotificationIDs) != 1 {
		t.Errorf("that ports agree again is news of its own: got %v", other)
	}
	const describe = `select string_agg(concat_ws(' ', channel, recipient, template, customer_id, content->>'exporter_name', content->>'count', jsonb_array_length(content->'ports'),
		content->'ports'->6->>'if_index'), ', ' order by content->>'count') from notification`
	if got, want := worldtest.One[string](w, describe), "discord staff ports leaf-0 1 1, discord staff ports leaf-0 29 20 8"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	order.Hour = hour.Add(time.Hour)
	worldtest.Refused(w, order, fault.NotFound, "ports_not_found")
	if err := (notify.QueuePorts{}).Validate(); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

// However often somebody fails within ten minutes, the staff read of it once.
func TestRefusalsAreOneNotice(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	staff, member, session := w.NewID(), w.NewID(), w.NewID()
	w.Exec(`insert into person (id, site, email, name, created_at) values ($1, 'admin', 'a@example.com', 'Ada', now()), ($2, 'account', 'b@example.com', 'Bob', now())`, staff, member)
	w.Exec(`insert into session (id, hash, site, person_id, factors, opened_at, proved_at, seen_at, expires_at, idle, ip, user_agent)
		select $1::uuid, sha256('a'), 'admin', $2::uuid, '{passkey}', now(), now(), now(), now(), '1 h', '192.0.2.1', 'Browser/1'`, session, staff)
	queued := func(order notify.QueueStaffSignIn) int { return len(worldtest.Must(w, order).NotificationIDs) }
	at := w.Time("2026-01-01T00:01:00Z")
	refusal := notify.QueueStaffSignIn{PersonID: staff, Factor: "password", At: at}
	if first, again := queued(refusal), queued(refusal); first != 1 || again != 0 {
		t.Errorf("queued %d, then %d", first, again)
	}
	refusal.At, refusal.Factor = at.Add(8*time.Minute), "totp"
	if queued(refusal) != 0 {
		t.Error("another one within ten minutes")
	}
	if refusal.At = at.Add(9 * time.Minute); queued(refusal) != 1 {
		t.Error("none in the next ten minutes")
	}
	device := notify.QueueStaffSignIn{PersonID: staff, SessionID: session, At: at}
	if first, again := queued(device), queued(device); first != 1 || again != 0 {
		t.Errorf("a new browser: queued %d, then %d", first, again)
	}
	if got := worldtest.One[string](w, `select concat_ws(' ', channel, recipient, content->>'person_name', content->>'ip', content->>'user_agent') from notification where content->>'refused' = 'false'`); got != "discord staff Ada 192.0.2.1 Browser/1" {
		t.Errorf("got %q", got)
	}
	w.Exec(`update session set factors = '{development}' where id = $1`, session)
	w.Exec(`delete from notification`)
	if refusal.PersonID = member; queued(refusal)+queued(device) != 0 {
		t.Error("a customer, or the development login, is the staff's news")
	}
	if err := (notify.QueueStaffSignIn{}).Validate(); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}
