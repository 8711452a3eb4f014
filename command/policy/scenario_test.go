package policy_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/catalog"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/money"
)

// Each file of testdata is a story of services and their bills; see the verbs below.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories found (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			newStory(t).play(file)
		})
	}
}

// story is a company whose services come one after the other; verbs are about the newest.
type story struct {
	*worldtest.World
	sweeper                                  *policy.Sweeper
	customer, exporter, other, plan, service uuid.UUID
	plans, services                          int
	at                                       string // file and line
}

func newStory(t testing.TB) *story {
	t.Helper()
	w := worldtest.New(t)
	s := &story{World: w, customer: w.Customer("a@example.com"), exporter: w.Exporter("leaf-0", "127.1.0.1/32"), other: w.Exporter("leaf-1", "127.1.0.2/32")}
	w.Exec(`insert into loss_hourly (exporter_id, hour, datagrams_lost) select id, '2026-01-05T10:00:00Z', 1000 from exporter where name = 'leaf-1'`)
	s.sweeper = newSweeper(w)
	return s
}

func newSweeper(w *worldtest.World) *policy.Sweeper {
	return policy.NewSweeper(policy.SweeperConfig{LateEvery: -1, LateHorizon: 10 * 365 * 24 * time.Hour}, w.DB, w.Pool, w.Now, w.NewID,
		slog.New(slog.NewTextHandler(w.TB.Output(), nil)), prometheus.NewRegistry())
}

func (s *story) play(file string) {
	s.Helper()
	text, err := os.Open(file)
	if err != nil {
		s.Fatal(err)
	}
	defer text.Close()
	lines := bufio.NewScanner(text)
	for n := 1; lines.Scan(); n++ {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		if verb == "" || verb == "#" {
			continue
		}
		s.at = fmt.Sprintf("%s:%d", file, n)
		s.do(verb, rest)
	}
}

func (s *story) do(verb, rest string) {
	s.Helper()
	switch verb {
	case "plan":
		s.makePlan(arguments(rest))
	case "service":
		s.makeService(arguments(rest)["since"])
	case "use":
		hour, more, _ := strings.Cut(rest, " ")
		a := arguments(more)
		s.Use(s.service, s.by(a), s.hour(hour), s.size(a["in"]), s.size(a["out"]))
	case "count": // by a port: bytes without samples
		hour, more, _ := strings.Cut(rest, " ")
		a := arguments(more)
		s.Use(s.service, s.exporter, s.hour(hour), s.size(a["in"]), s.size(a["out"]))
		s.Exec(`update usage_hourly set samples_in = 0, samples_out = 0 where service_id = $1 and hour = $2`, s.service, s.hour(hour))
	case "loss":
		hour, more, _ := strings.Cut(rest, " ")
		a := arguments(more)
		s.Exec(`insert into loss_hourly (exporter_id, hour, datagrams_lost, samples_lost, records_lost, samples_quarantined, kernel_drops, spool_drops) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			s.by(a), s.hour(hour), s.number(a["datagrams"]), s.number(a["samples"]), s.number(a["records"]), s.number(a["quarantined"]), s.number(a["kernel"]), s.number(a["spool"]))
		s.quarantine(hour, s.service, a["quarantined"])
	case "quarantine":
		s.setAside(rest)
	case "now":
		s.SetTime(s.hour(rest))
	case "watermark":
		s.Watermark(s.hour(rest))
	case "sweep":
		if report, err := s.sweeper.Run(context.Background()); err != nil || report.Failed > 0 {
			s.Fatalf("%s: %+v (%v)", s.at, report, err)
		}
	default:
		s.compare(verb, rest)
	}
}

// by is the exporter that a step names, or the story's.
func (s *story) by(a map[string]string) uuid.UUID {
	if a["by"] == "" {
		return s.exporter
	}
	return s.other
}

// setAside puts flow records into quarantine: once into the exporter's hour, by their packets into each service's rows.
func (s *story) setAside(rest string) {
	s.Helper()
	hour, more, _ := strings.Cut(rest, " ")
	a := arguments(more)
	s.quarantine(hour, s.service, a["packets"])
	s.quarantine(hour, s.Service("neighbour", s.customer, s.plan).ServiceID, a["neighbours"])
	s.Exec(`insert into quarantine_decision (id, exporter_id, hour, service_id, direction, rate, decision, samples, frame_length, ip_length, reason, decided_at)
		select gen_random_uuid(), exporter_id, hour, service_id, direction, rate, 'rejected', $3, 0, 0, 'r', hour from quarantine_hourly where service_id = $1 and hour = $2`,
		s.service, s.hour(hour), s.number(a["rejected"]))
	s.Exec(`insert into loss_hourly (exporter_id, hour, samples_quarantined) values ($1, $2, $3)`, s.exporter, s.hour(hour), s.number(a["records"]))
}

func (s *story) quarantine(hour string, service uuid.UUID, samples string) {
	s.Helper()
	s.Exec(`insert into quarantine_hourly (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length) values ($1, $2, $3, 'in', 0, $4, 0, 0)`,
		s.exporter, s.hour(hour), service, s.number(samples))
}

func (s *story) compare(verb, want string) {
	s.Helper()
	queries := map[string]string{
		"cycles": `select string_agg(to_char(starts_at at time zone 'utc', 'YYYY-MM-DD') || ' ' || status, ', ' order by starts_at) from cycle where service_id = $1`,
		"invoices": `select coalesce(string_agg(number || ' ' || kind || ' ' || total_minor || ' ' || currency, ', ' order by finalised_at, id), 'none')
			from invoice where $1::uuid is not null`,
		"lines": `select string_agg(l.kind || ' ' || trim_scale(quantity) || ' x ' || trim_scale(unit_price) || ' = ' || amount_minor || ' ' || currency || ' ' || description,
			'; ' order by i.finalised_at, i.id, position) from invoice_line l join invoice i on i.id = invoice_id where $1::uuid is not null`,
		"evidence": `select concat('billable=', e->>'billable_bytes', ' quota=', e->>'quota_bytes', ' overage=', e->>'overage_bytes', ' samples=', e->>'samples',
			' bound=', e->>'error_bound_percent', ' lost=', e->>'datagrams_lost', '/', e->>'samples_lost', '/', e->>'records_lost',
			' aside=', e->>'samples_quarantined', ' drops=', e->>'kernel_drops', '/', e->>'spool_drops')
			from (select evidence as e from invoice_line where service_id = $1 order by revision desc limit 1) l`,
		"billed": `select concat(e->>'bill_at', ' ', e->>'billable_bytes', ' estimate=', e->>'estimated_bytes', ' lower=', e->>'lower_bound_bytes', ' stored=', s.billable_bytes, '/', s.estimated_bytes)
			from (select evidence as e, cycle_id, revision from invoice_line where service_id = $1 order by revision desc limit 1) l
			join cycle_snapshot s on s.cycle_id = l.cycle_id and s.revision = l.revision`,
		"ledger": `select coalesce(sum(amount_minor), 0) || ' ' || coalesce(min(currency), 'USD') from ledger_entry where account = 'receivable' and $1::uuid is not null`,
	}
	query, ok := queries[verb]
	if !ok {
		s.Fatalf("%s: no such verb", s.at)
	}
	got := s.readable(worldtest.One[string](s.World, query, s.service))
	if verb == "ledger" {
		got, _, _ = strings.Cut(got, " ")
	}
	if verb == "lines" {
		got = strings.NewReplacer(" USD ", " ", " JPY ", " ", " KWD ", " ").Replace(got)
	}
	if got != want {
		s.Fatalf("%s: %s\ngot  %s\nwant %s", s.at, verb, got, want)
	}
}

// readable turns "123 USD" into "1.23 USD".
func (s *story) readable(text string) string {
	words := strings.Split(text, " ")
	for i := 1; i < len(words); i++ {
		code := strings.TrimRight(words[i], ",;")
		currency, err := money.ParseCurrency(code)
		minor, numeric := strconv.ParseInt(words[i-1], 10, 64)
		if err == nil && numeric == nil {
			words[i-1] = money.New(minor, currency).Decimal()
		}
	}
	return strings.Join(words, " ")
}

func (s *story) makePlan(a map[string]string) {
	s.Helper()
	s.plans++
	terms := catalog.Terms{PlanName: fmt.Sprintf("plan-%d", s.plans), PriceMinor: 500, Currency: a["currency"], Interval: a["interval"],
		QuotaBytes: s.size(a["quota"]), ByteBasis: a["basis"], Direction: a["direction"], BillAt: a["bill_at"]}
	if unit, price, ok := strings.Cut(a["overage"], ":"); ok {
		terms.OverageUnitBytes, terms.OverageUnitPrice = s.size(unit), price
	}
	s.plan = s.Plan(terms)
}

func (s *story) makeService(since string) {
	s.Helper()
	s.services++
	s.SetTime(s.hour(since))
	s.service = s.Service(fmt.Sprintf("svc-%d", s.services), s.customer, s.plan).ServiceID
}

func (s *story) hour(text string) time.Time {
	s.Helper()
	t, err := time.Parse("2006-01-02T15", text)
	if err != nil {
		s.Fatalf("%s: %v", s.at, err)
	}
	return t
}

func (s *story) size(text string) int64 {
	s.Helper()
	if text == "" {
		return 0
	}
	digits, negative := strings.CutPrefix(text, "-")
	size, err := bytesize.Parse(digits)
	if err != nil {
		s.Fatalf("%s: %v", s.at, err)
	}
	if negative {
		return -size
	}
	return size
}

func (s *story) number(text string) int64 {
	if text == "" {
		return 0
	}
	return s.size(text)
}

// arguments reads "a=1 b=2".
func arguments(text string) map[string]string {
	all := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		all[name] = value
	}
	return all
}
