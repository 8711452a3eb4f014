package policy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/internal/devmail"
	"github.com/ezscale/platform/internal/gateway/discord"
	"github.com/ezscale/platform/internal/gateway/mail"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/schemas/events"
)

const patience = 30 * time.Second

// office is a world with rules, a job runner and a mailbox.
type office struct {
	*worldtest.World
	mailbox *devmail.Mailbox
	rules   []policy.Rule
	alert   events.QuotaThresholdReached
}

// newOffice starts a job runner that posts to hook; empty: to the mailbox.
func newOffice(t *testing.T, attempts int, hook string) *office {
	t.Helper()
	o := &office{World: worldtest.New(t)}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	o.mailbox = devmail.New(devmail.Config{Dir: t.TempDir()}, o.Now, log)
	if err := o.mailbox.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.mailbox.Stop(context.Background()) })
	if hook == "" {
		hook = o.mailbox.DiscordURL()
	}
	enqueuer, err := jobs.NewEnqueuer(attempts, log)
	if err != nil {
		t.Fatal(err)
	}
	o.rules = policy.NotifyRules(policy.NotifyConfig{Jobs: enqueuer, Now: o.Now, NewID: o.NewID, Staff: true})
	o.runJobs(t, hook, log)
	service := o.Service("svc-1", o.Customer("ada@example.com"), o.Plan(worldtest.Terms("vps-s")))
	o.alert = events.QuotaThresholdReached{AlertID: o.NewID(), ServiceID: service.ServiceID, CycleID: service.CycleID, Threshold: 75, QuotaBytes: 1e12, BillableBytes: 75e10, ReachedAt: o.Now()}
	return o
}

func (o *office) runJobs(t *testing.T, hook string, log *slog.Logger) {
	t.Helper()
	renderer, err := notify.NewRenderer(notify.Brand{Name: "Example Hosting", URL: "https://panel.example", AdminURL: "https://staff.example"})
	if err != nil {
		t.Fatal(err)
	}
	address := o.mailbox.SMTPAddr()
	sender, err := mail.New(mail.Config{Host: address.Addr().String(), Port: int(address.Port()), TLS: mail.TLSNone, From: "billing@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	webhook, err := discord.New(discord.Config{URL: hook})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	runner := jobs.New(jobs.Config{Poll: 100 * time.Millisecond}, o.Pool, slog.New(slog.DiscardHandler), registry)
	policy.NewDeliverer(policy.DelivererConfig{DB: o.DB, Renderer: renderer, Mail: sender, Discord: webhook, Now: o.Now, Machine: o.Now, NewID: o.NewID}, log, registry).Register(runner)
	if err := runner.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = runner.Stop(context.Background()) })
}

// happen lets the rules see an event, as the consumer does.
func (o *office) happen(e events.Event, id uuid.UUID) {
	o.Helper()
	err := pgx.BeginFunc(context.Background(), o.Pool, func(tx pgx.Tx) error {
		for _, rule := range o.rules {
			if rule.On == e.Type() {
				if err := rule.Do(context.Background(), tx, e, events.Header{ID: id, Type: e.Type(), Time: o.Now()}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		o.Fatal(err)
	}
}

// await polls until the notifications are as described.
func (o *office) await(want string) {
	o.Helper()
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = worldtest.One[string](o.World, `select coalesce(string_agg(channel || ' ' || template || ' ' || status, ', ' order by template desc, channel), '') from notification`)
		if got == want {
			return
		}
	}
	o.Fatalf("got %q, want %q", got, want)
}

func TestAnAlertAndAnInvoiceReachPeople(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	alertID := o.NewID()
	o.happen(o.alert, alertID)
	o.happen(o.alert, alertID) // the same event again
	exporter := o.Exporter("leaf-0", "127.1.0.1/32")
	o.Use(o.alert.ServiceID, exporter, o.Time("2026-01-05T00:00:00Z"), 11e11, 0)
	o.SetTime(o.Time("2026-02-01T00:00:00Z"))
	o.Watermark(o.Now())
	if report, err := newSweeper(o.World).Run(context.Background()); err != nil || report.Invoices != 1 {
		t.Fatalf("got %+v (%v)", report, err)
	}
	o.happen(events.InvoiceFinalised{InvoiceID: worldtest.One[uuid.UUID](o.World, `select id from invoice`)}, o.NewID())
	o.await("discord quota_alert sent, mail quota_alert sent, mail invoice sent")
	var got []string
	for _, m := range o.mailbox.List() {
		got = append(got, m.Channel+" "+m.Subject)
		if body := m.Text + m.HTML; !strings.Contains(body, "ada\u2060@\u2060example\u2060.\u2060com") || strings.Contains(body, "ada@example.com") {
			t.Errorf("%s makes a link of the customer's name: %s", m.Channel, body)
		}
	}
	slices.Sort(got)
	want := []string{"discord svc-1: 75 % of 1 TB traffic used", "mail Invoice INV-2026-000001: 1.00 USD", "mail svc-1: 75 % of 1 TB traffic used"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The job judges, the rules tell the staff, once for each exporter and hour.
func TestPortsThatAreOffReachTheStaff(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	leaf := o.Exporter("leaf-0", "127.1.0.1/32")
	o.Set("2026-01-02T12:00:00Z")
	o.Exec(`insert into port_hourly (exporter_id, if_index, hour, octets_in, flow_in, samples_in)
		select $1, n, $2::timestamptz + h * interval '1 hour', 1000000000, 1000000000 / (3 - h), 1000 from generate_series(1, 2) n, generate_series(0, 2) h`, leaf, o.Time("2026-01-02T00:00:00Z"))
	for range 2 {
		if err := policy.ReconcileNow(context.Background(), o.DB, o.Pool, o.Now, o.NewID); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := worldtest.One[string](o.World, `select string_agg(verdict, ' ' order by hour, if_index) from port_reconciliation`), "off off off off ok ok"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	first, third := o.Time("2026-01-02T00:00:00Z"), o.Time("2026-01-02T02:00:00Z")
	for port := range int64(2) {
		o.happen(events.PortReconciliationOff{AlertID: o.NewID(), ExporterID: leaf, IfIndex: port + 1, Hour: first}, o.NewID())
		o.happen(events.PortReconciled{AlertID: o.NewID(), ExporterID: leaf, IfIndex: port + 1, Hour: third}, o.NewID())
	}
	o.await("discord ports sent, discord ports sent")
	var got []string
	for _, m := range o.mailbox.List() {
		got = append(got, m.Channel+" "+m.Subject)
	}
	slices.Sort(got)
	want := []string{"discord leaf-0: 2 ports and their samples agree again", "discord leaf-0: 2 ports count different traffic than their samples show"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiscordMayAskToWait(t *testing.T) {
	t.Parallel()
	var posts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if posts.Add(1) == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"message":"You are being rate limited.","retry_after":0.05}`)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	o := newOffice(t, 1, server.URL) // one attempt: waiting must not cost it
	o.happen(o.alert, o.NewID())
	o.await("discord quota_alert sent, mail quota_alert sent")
	if n := posts.Load(); n != 2 {
		t.Errorf("%d posts, want 2", n)
	}
}

func TestFailuresShow(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"gone for good": 404, "out of attempts": 500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			t.Cleanup(server.Close)
			o := newOffice(t, 1, server.URL)
			o.happen(o.alert, o.NewID())
			o.await("discord quota_alert failed, mail quota_alert sent")
			if reason := worldtest.One[string](o.World, `select error from notification where channel = 'discord'`); reason == "" {
				t.Error("a failure has a reason")
			}
		})
	}
}

// Who fails on the admin site, or comes there with a new browser, is told in the staff's channel; customers are not.
func TestTheStaffHearOfTheirSignIns(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	staff, member, session := uuid.New(), uuid.New(), uuid.New()
	o.Exec(`insert into person (id, site, email, name, created_at) values ($1, 'admin', 'a@example.com', 'Ada', now()), ($2, 'account', 'b@example.com', 'Bob', now())`, staff, member)
	o.Exec(`insert into session (id, hash, site, person_id, factors, opened_at, proved_at, seen_at, expires_at, idle) select $1::uuid, sha256('a'), 'admin', $2::uuid, '{passkey}', now(), now(), now(), now(), '1 h'`, session, staff)
	for range 3 {
		o.happen(events.SignInRefused{PersonID: staff, Site: "admin", Factor: "password"}, uuid.New())
	}
	o.happen(events.SignInRefused{PersonID: member, Site: "account", Factor: "password"}, uuid.New())
	o.happen(events.SessionOpened{SessionID: session, PersonID: staff, Site: "admin"}, uuid.New())
	o.await("discord staff_sign_in sent")
	o.happen(events.SessionOpened{SessionID: session, PersonID: staff, Site: "admin", NewDevice: true}, uuid.New())
	o.await("discord staff_sign_in sent, discord staff_sign_in sent")
}
