package quarantine_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth/quarantine"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

// ward is a world with an exporter whose samples are set aside.
type ward struct {
	*worldtest.World
	exporter, a, b uuid.UUID
	from, to       time.Time
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := worldtest.New(t)
	customer, plan := w.Customer("a@example.com"), w.Plan(worldtest.Terms("vps-s"))
	return &ward{World: w, exporter: w.Exporter("leaf-0", "127.1.0.1/32"), a: w.Service("a", customer, plan).ServiceID, b: w.Service("b", customer, plan).ServiceID,
		from: w.Time("2026-01-02T00:00:00Z"), to: w.Time("2026-01-03T00:00:00Z")}
}

// setAside adds samples of 1,000 octets (18 less of them IP) as the meter would.
func (w *ward) setAside(service uuid.UUID, hour int, direction string, rate, samples int64) {
	w.Helper()
	w.Exec(`insert into quarantine_hourly as q (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length)
		values ($1, $2, $3, $4, $5, $6::bigint, $6::bigint * 1000, $6::bigint * 982)
		on conflict (exporter_id, hour, service_id, direction, rate) do update set samples = q.samples + excluded.samples,
		frame_length = q.frame_length + excluded.frame_length, ip_length = q.ip_length + excluded.ip_length`,
		w.exporter, w.from.Add(time.Duration(hour)*time.Hour), service, direction, rate, samples)
}

func (w *ward) all() quarantine.Filter {
	return quarantine.Filter{ExporterID: w.exporter, From: w.from, To: w.to}
}

func (w *ward) release(f quarantine.Filter, rate int64) quarantine.ReleaseQuarantine {
	return quarantine.ReleaseQuarantine{DecisionID: w.NewID(), Filter: f, RateGiven: rate, Reason: "the switch was set to 1 in 2048"}
}

const corrections = `select coalesce(string_agg(concat_ws(' ', s.name, to_char(c.hour at time zone 'utc', 'DD HH24'), bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3,
	packets_in, packets_out, samples_in, samples_out), ', ' order by c.hour, s.name), '') from usage_correction c join service s on s.id = c.service_id where applied_at is null and kind = 'quarantine_release'`

func TestReleasedSamplesBecomeCorrections(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.setAside(w.a, 1, "in", 0, 10)
	w.setAside(w.a, 2, "out", 0, 5)
	w.setAside(w.b, 2, "in", 7, 1)
	w.setAside(w.b, 24, "in", 0, 100) // the day after
	order := w.release(w.all(), 2048)
	done := worldtest.Must(w.World, order)
	done.Change = command.Change{}
	worldtest.CheckChanged(w.World, "bandwidth.ReleaseQuarantine", `{"open_rows": 3, "open_samples": 16} {"open_rows": 0, "open_samples": 0}`)
	want := quarantine.Released{DecisionID: order.DecisionID, Rows: 3, Samples: 16, BytesInL2: 11 * 2048 * 1000, BytesOutL2: 5 * 2048 * 1000, BytesInL3: 11 * 2048 * 982, BytesOutL3: 5 * 2048 * 982}
	if done != want {
		t.Errorf("got  %+v\nwant %+v", done, want)
	}
	rows := "a 02 01 20480000 0 20111360 0 20480 0 10 0, a 02 02 0 10240000 0 10055680 0 10240 0 5, b 02 02 2048000 0 2011136 0 2048 0 1 0"
	if got := worldtest.One[string](w.World, corrections); got != rows {
		t.Errorf("got  %s\nwant %s", got, rows)
	}
	if n := worldtest.One[int](w.World, `select count(*) from usage_correction where batch = $1 and reason = $2 and created_at = $3`, order.DecisionID, order.Reason, w.Now()); n != 3 {
		t.Errorf("%d corrections of the batch, want 3", n)
	}
	worldtest.Refused(w.World, w.release(w.all(), 2048), fault.NotFound, "nothing_open")
	if got := w.Events(); !slices.Contains(got, "bandwidth.QuarantineReleased 2") {
		t.Errorf("got events %v", got)
	}
	const audited = `select concat_ws(' ', input->>'reason', input->>'rate_given', outcome->>'rows', outcome->>'bytes_in_l2') from audit where command = 'bandwidth.ReleaseQuarantine'`
	if got, want := worldtest.One[string](w.World, audited), "the switch was set to 1 in 2048 2048 3 22528000"; got != want {
		t.Errorf("the audit row says %q, want %q", got, want)
	}
}

// A row that has grown is open again with what came since.
func TestARowIsOpenAgainWithWhatCameSince(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	rate := int64(0)
	f := w.all()
	f.ServiceID, f.Rate = &w.a, &rate
	w.setAside(w.a, 1, "in", 0, 10)
	w.setAside(w.a, 1, "in", 9, 1000)
	w.setAside(w.b, 1, "in", 0, 1000)
	if done := worldtest.Must(w.World, w.release(f, 100)); done.Samples != 10 {
		t.Errorf("got %+v", done)
	}
	w.setAside(w.a, 1, "in", 0, 3)
	reject := quarantine.RejectQuarantine{DecisionID: w.NewID(), Filter: f, Reason: "a test of ours"}
	if done := worldtest.Must(w.World, reject); done.Samples != 3 || done.FrameLength != 3000 || done.IPLength != 2946 || done.Rows != 1 {
		t.Errorf("got %+v", done)
	}
	worldtest.CheckChanged(w.World, "bandwidth.RejectQuarantine", `{"open_rows": 1, "open_samples": 3} {"open_rows": 0, "open_samples": 0}`)
	w.setAside(w.a, 1, "in", 0, 4)
	if done := worldtest.Must(w.World, w.release(f, 100)); done.Samples != 4 || done.BytesInL2 != 400_000 {
		t.Errorf("got %+v", done)
	}
	const described = `select string_agg(concat_ws(' ', decision, samples, rate, rate_given), ', ' order by id) from quarantine_decision`
	if got, want := worldtest.One[string](w.World, described), "released 10 0 100, rejected 3 0, released 4 0 100"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := worldtest.One[int](w.World, `select sum(samples_in)::int from usage_correction`); n != 14 {
		t.Errorf("%d samples corrected, want 14", n)
	}
}

func TestOrdersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.Exec(`insert into quarantine_hourly select $1, $2::timestamptz, $3, 'in', r, 1, 100, 82 from generate_series(1, 10001) r`, w.exporter, w.from, w.a)
	worldtest.Refused(w.World, w.release(w.all(), 1), fault.Invalid, "too_many_rows")
	rate := int64(10_001)
	narrow := w.all()
	narrow.Rate = &rate
	worldtest.Must(w.World, w.release(narrow, 1))
	if done := worldtest.Must(w.World, w.release(w.all(), 1)); done.Rows != 10_000 {
		t.Errorf("what is decided does not count: got %+v", done)
	}
	w.Exec(`insert into quarantine_hourly values ($1, $2, $3, 'out', 0, 1, $4, 1)`, w.exporter, w.from, w.a, int64(1)<<40)
	worldtest.CheckField(t, worldtest.Refused(w.World, w.release(w.all(), 1<<32-1), fault.Invalid, "invalid_input"), "rate_given")
	if n := worldtest.One[int](w.World, `select count(*) from quarantine_decision where direction = 'out'`); n != 0 {
		t.Error("a refused order must decide nothing")
	}
}

func TestFiltersAreChecked(t *testing.T) {
	t.Parallel()
	hour := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	none, negative := uuid.Nil, int64(-1)
	for field, spoil := range map[string]func(*quarantine.ReleaseQuarantine){
		"decision_id": func(c *quarantine.ReleaseQuarantine) { c.DecisionID = uuid.Nil },
		"exporter_id": func(c *quarantine.ReleaseQuarantine) { c.ExporterID = uuid.Nil },
		"from":        func(c *quarantine.ReleaseQuarantine) { c.From = hour.Add(time.Minute) },
		"to":          func(c *quarantine.ReleaseQuarantine) { c.To = hour },
		"service_id":  func(c *quarantine.ReleaseQuarantine) { c.ServiceID = &none },
		"rate":        func(c *quarantine.ReleaseQuarantine) { c.Rate = &negative },
		"rate_given":  func(c *quarantine.ReleaseQuarantine) { c.RateGiven = 0 },
		"reason":      func(c *quarantine.ReleaseQuarantine) { c.Reason = " " },
	} {
		c := quarantine.ReleaseQuarantine{DecisionID: uuid.New(), RateGiven: 1, Reason: "r",
			Filter: quarantine.Filter{ExporterID: uuid.New(), From: hour, To: hour.Add(time.Hour)}}
		spoil(&c)
		worldtest.CheckField(t, c.Validate(), field)
	}
	reject := quarantine.RejectQuarantine{DecisionID: uuid.New(), Filter: quarantine.Filter{ExporterID: uuid.New(), From: hour, To: hour.Add(time.Hour)}}
	worldtest.CheckField(t, reject.Validate(), "reason")
}

// The meter goes on, decisions come at any time and at once: nothing is decided twice, nothing is lost.
func TestNothingIsDecidedTwice(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		for range 20 {
			service := []uuid.UUID{w.a, w.b}[random.IntN(2)]
			w.setAside(service, random.IntN(3), []string{"in", "out"}[random.IntN(2)], int64(random.IntN(2)), 1+random.Int64N(5))
		}
		failures := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := command.Run(context.Background(), w.DB, command.Meta{Actor: "staff:test", Now: w.Now(), NewID: uuid.New}, w.release(w.all(), 10))
				failures <- err
			}()
		}
		done := 0
		for range 3 {
			switch err := <-failures; {
			case err == nil:
				done++
			case !fault.Is(err, fault.NotFound):
				t.Error(err)
			}
		}
		if done != 1 {
			t.Errorf("%d of three orders at once decided something, want one", done)
		}
	}
	const sums = `select concat_ws(' ', (select sum(samples) from quarantine_hourly), (select sum(frame_length) from quarantine_hourly))`
	const decided = `select concat_ws(' ', sum(samples), sum(frame_length)) from quarantine_decision`
	if got, want := worldtest.One[string](w.World, decided), worldtest.One[string](w.World, sums); got != want {
		t.Errorf("decided %s, set aside %s", got, want)
	}
	scaled := worldtest.One[int64](w.World, `select 10 * sum(frame_length)::bigint from quarantine_hourly`)
	if got := worldtest.One[int64](w.World, `select sum(bytes_in_l2 + bytes_out_l2)::bigint from usage_correction`); got != scaled {
		t.Errorf("corrected by %d bytes, want %d", got, scaled)
	}
}

// A repeated request is the same order.
func TestAReleaseIsDoneOncePerKey(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.setAside(w.a, 1, "in", 0, 10)
	run := func() quarantine.Released {
		meta := command.Meta{Actor: "staff:test", Key: "k", Now: w.Now(), NewID: command.KeyedIDs("staff:test", "k")}
		order := quarantine.ReleaseQuarantine{DecisionID: meta.NewID(), Filter: w.all(), RateGiven: 5, Reason: "r"}
		done, err := command.Run(context.Background(), w.DB, meta, order)
		done.Change = command.Change{} // no part of what is stored
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	first := run()
	w.setAside(w.a, 1, "in", 0, 10)
	if again := run(); again != first {
		t.Errorf("got %+v, then %+v", first, again)
	}
}
