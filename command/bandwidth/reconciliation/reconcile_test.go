package reconciliation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/command/bandwidth/reconciliation"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

// rack is a world with one exporter whose ports are read.
type rack struct {
	*worldtest.World
	leaf uuid.UUID
	day  time.Time
}

func newRack(t *testing.T) *rack {
	t.Helper()
	w := worldtest.New(t)
	r := &rack{World: w, leaf: w.Exporter("leaf-0", "127.1.0.1/32"), day: w.Time("2026-01-02T00:00:00Z")}
	w.Set("2026-01-03T00:00:00Z")
	return r
}

// port writes a port's hour: columns of port_hourly and their values.
func (r *rack) port(ifIndex int64, hour int, values map[string]int64) {
	r.Helper()
	columns, numbers := "", ""
	for column, value := range values {
		columns, numbers = columns+", "+column, numbers+fmt.Sprintf(", %d", value)
	}
	r.Exec(`insert into port_hourly (exporter_id, if_index, hour`+columns+`) values ($1, $2, $3`+numbers+`)`, r.leaf, ifIndex, r.at(hour))
}

func (r *rack) at(hour int) time.Time { return r.day.Add(time.Duration(hour) * time.Hour) }

func (r *rack) judge(hour int) reconciliation.Reconciled {
	r.Helper()
	return worldtest.Must(r.World, reconciliation.ReconcilePorts{Hour: r.at(hour)})
}

const verdicts = `select coalesce(string_agg(concat_ws(' ', if_index, to_char(hour at time zone 'utc', 'HH24'), verdict, coalesce(ratio_in::text, '-'), coalesce(ratio_out::text, '-'),
	case when event_id is not null then 'alert' end), ', ' order by hour, if_index), '') from port_reconciliation`

func TestPortsAreJudgedOnce(t *testing.T) {
	t.Parallel()
	r := newRack(t)
	r.port(1, 0, map[string]int64{"octets_in": 1e9, "flow_in": 105e7, "samples_in": 1000, "octets_out": 2e9, "flow_out": 18e8, "samples_out": 1000})
	r.port(2, 0, map[string]int64{"octets_in": 1e9, "flow_in": 5e8, "samples_in": 1000})
	r.port(3, 0, map[string]int64{"octets_in": 1e9, "flow_in_elsewhere": 1e9, "samples_in_elsewhere": 1000}) // sampled where its packets left
	r.port(4, 0, map[string]int64{"octets_in": 1e9, "flow_in": 1e9, "samples_in": 1000, "flow_in_elsewhere": 9e9, "samples_in_elsewhere": 9000})
	r.port(5, 0, map[string]int64{"octets_in": 1e9, "flow_in": 9e9, "samples_in": 1000, "resets": 1})
	r.port(6, 0, map[string]int64{"octets_in": 1e9, "flow_in": 9e9, "samples_in": 1000, "gap_seconds": 601})
	r.port(7, 0, map[string]int64{"octets_in": 1e9, "flow_in": 9e9, "samples_in": 1000, "implausible": 1})
	r.port(8, 0, map[string]int64{"octets_in": 1e9, "flow_in": 1e9, "samples_in": 1000, "gap_seconds": 600})
	r.port(9, 1, map[string]int64{"octets_in": 1e9}) // another hour
	if got, want := r.judge(0), (reconciliation.Reconciled{Judged: 8, Off: 1, Alerts: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want := "1 00 ok 1.0500 0.9000, 2 00 off 0.5000 - alert, 3 00 ok 1.0000 -, 4 00 ok 1.0000 -, 5 00 unknown - -, 6 00 unknown - -, 7 00 unknown - -, 8 00 ok 1.0000 -"
	if got := worldtest.One[string](r.World, verdicts); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const told = `select concat_ws(' ', payload->>'if_index', payload->>'reason', payload->>'ratio_in', payload->>'ratio_out', payload->>'octets_in', payload->>'flow_in', payload->>'hour')
		from outbox where type = 'bandwidth.PortReconciliationOff'`
	if got, want := worldtest.One[string](r.World, told), "2 ratio 0.5000 1000000000 500000000 2026-01-02T00:00:00Z"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if again := r.judge(0); again != (reconciliation.Reconciled{}) {
		t.Errorf("an hour is judged once: got %+v", again)
	}
	r.port(10, 0, map[string]int64{"octets_in": 1e9}) // came late
	if late := r.judge(0); late.Judged != 1 {
		t.Errorf("got %+v", late)
	}
}

// An alert when a port turns off, one news when it agrees again, nothing in between.
func TestAlertsAreOfChange(t *testing.T) {
	t.Parallel()
	r := newRack(t)
	good := map[string]int64{"octets_in": 1e9, "flow_in": 1e9, "samples_in": 1000}
	bad := map[string]int64{"octets_in": 1e9, "flow_in": 5e8, "samples_in": 1000}
	idle := map[string]int64{"octets_in": 5}
	for hour, values := range []map[string]int64{good, bad, bad, idle, bad, idle, good, good, idle, bad} {
		r.port(1, hour, values)
		r.judge(hour)
	}
	want := "1 00 ok 1.0000 -, 1 01 off 0.5000 - alert, 1 02 off 0.5000 -, 1 03 unknown - -, 1 04 off 0.5000 -, 1 05 unknown - -, " +
		"1 06 ok 1.0000 - alert, 1 07 ok 1.0000 -, 1 08 unknown - -, 1 09 off 0.5000 - alert"
	if got := worldtest.One[string](r.World, verdicts); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var news []string
	for _, e := range r.Events() {
		if strings.Contains(e, "Reconcil") {
			news = append(news, e)
		}
	}
	if want := []string{"bandwidth.PortReconciliationOff 1", "bandwidth.PortReconciled 1", "bandwidth.PortReconciliationOff 1"}; !slices.Equal(news, want) {
		t.Errorf("got %v, want %v", news, want)
	}
}

func TestAPortThatIsNotSampled(t *testing.T) {
	t.Parallel()
	r := newRack(t)
	much, some := map[string]int64{"octets_in": 6e9, "octets_out": 6e9}, map[string]int64{"octets_in": 1e9, "octets_out": 1e9}
	for hour, values := range []map[string]int64{much, much, much, much, some, much, much} {
		r.port(1, hour, values)
		r.judge(hour)
	}
	want := "1 00 unknown - -, 1 01 unknown - -, 1 02 off - - alert, 1 03 off - -, 1 04 unknown - -, 1 05 unknown - -, 1 06 unknown - -"
	if got := worldtest.One[string](r.World, verdicts); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := worldtest.One[string](r.World, `select payload->>'reason' from outbox where type = 'bandwidth.PortReconciliationOff'`); got != "not_sampled" {
		t.Errorf("got %q", got)
	}
	worldtest.Must(r.World, bandwidth.ChangeExporter{ExporterID: r.leaf, Settings: bandwidth.Settings{ExporterName: "leaf-0", Source: "127.1.0.1/32", CountPolicy: "bound"}})
	for hour := 10; hour < 13; hour++ {
		r.port(2, hour, much)
		if got := r.judge(hour); got.Off != 0 {
			t.Errorf("an exporter that counts bound ports alone need not sample: got %+v", got)
		}
	}
}

// A port that bills a service by its counters and sends none bills nothing: that is told, and when it ends.
func TestABoundPortThatIsNotCounted(t *testing.T) {
	t.Parallel()
	r := newRack(t)
	service := r.Service("rack-7", r.Customer("a@example.com"), r.Plan(worldtest.Terms("p"))).ServiceID
	flows := map[string]int64{"flow_in": 9e9, "samples_in": 50, "flow_out_elsewhere": 1e9, "samples_out_elsewhere": 50}
	for ifIndex := range int64(3) {
		r.Exec(`insert into binding (id, exporter_id, if_index, service_id, valid) values (gen_random_uuid(), $1, $2, $3, tstzrange($4, null))`, r.leaf, ifIndex+1, service, r.at(0))
	}
	r.port(1, 0, flows)
	r.port(2, 0, map[string]int64{"flow_in": 9e9, "samples_in": 99})                                          // too few to say
	r.port(3, 0, map[string]int64{"flow_in": 9e9, "samples_in": 1000, "readings": 120})                       // counts, and stood still
	r.port(4, 0, flows)                                                                                       // bills nobody
	r.port(1, 1, map[string]int64{"octets_in": 1e9, "flow_in": 1e9, "samples_in": 1000, "gap_seconds": 1800}) // counts again: the gap is made up for
	r.port(1, 2, map[string]int64{"octets_in": 1e9, "flow_in": 1e9, "samples_in": 1000})
	for hour := range 3 {
		r.judge(hour)
	}
	want := "1 00 off - - alert, 2 00 unknown - -, 3 00 unknown - -, 4 00 unknown - -, 1 01 unknown - -, 1 02 ok 1.0000 - alert"
	if got := worldtest.One[string](r.World, verdicts); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := worldtest.One[string](r.World, `select payload->>'reason' from outbox where type = 'bandwidth.PortReconciliationOff'`); got != "not_counted" {
		t.Errorf("got %q", got)
	}
}

// An hour waits for every meter, or for two hours.
func TestHoursWaitForTheMeters(t *testing.T) {
	t.Parallel()
	r := newRack(t)
	r.port(1, 0, map[string]int64{"octets_in": 1e9})
	r.port(1, 1, map[string]int64{"octets_in": 1e9})
	order := reconciliation.ReconcilePorts{Hour: r.at(0)}
	for _, c := range []struct {
		now, watermark string
		due            int
	}{
		{"2026-01-02T01:04:59Z", "2026-01-02T01:10:00Z", 0},
		{"2026-01-02T01:10:00Z", "2026-01-02T01:04:59Z", 0},
		{"2026-01-02T01:10:00Z", "2026-01-02T01:05:00Z", 1},
		{"2026-01-02T02:59:59Z", "2026-01-01T00:00:00Z", 0},
		{"2026-01-02T03:00:00Z", "2026-01-01T00:00:00Z", 1},
		{"2026-01-02T04:00:00Z", "2026-01-01T00:00:00Z", 2},
		{"2026-01-04T00:30:00Z", "2026-01-01T00:00:00Z", 2},
		{"2026-01-04T01:30:00Z", "2026-01-01T00:00:00Z", 1}, // an hour of long ago is let be
	} {
		r.Set(c.now)
		r.Watermark(r.Time(c.watermark))
		due, err := reconciliation.Due(context.Background(), r.Pool, r.Now())
		if err != nil || len(due) != c.due {
			t.Errorf("at %s, counted up to %s: got %v (%v), want %d", c.now, c.watermark, due, err, c.due)
		}
		if c.due == 0 {
			worldtest.Refused(r.World, order, fault.Unavailable, "collecting")
		}
	}
	r.judge(1)
	if due, err := reconciliation.Due(context.Background(), r.Pool, r.Now()); err != nil || len(due) != 0 {
		t.Errorf("what is judged is done: got %v (%v)", due, err)
	}
	worldtest.CheckField(t, reconciliation.ReconcilePorts{Hour: r.at(0).Add(time.Minute)}.Validate(), "hour")
}

func TestManyPortsTakeSeveralCommands(t *testing.T) {
	t.Parallel()
	r := newRack(t)
	r.Exec(`insert into port_hourly (exporter_id, if_index, hour, octets_in, flow_in, samples_in) select $1, n, $2, 1000000000, 1, 1000 from generate_series(1, 2500) n`, r.leaf, r.at(0))
	first, second := r.judge(0), r.judge(0)
	if first.Judged != 2000 || !first.More || first.Alerts != 2000 || second.Judged != 500 || second.More || second.Alerts != 500 {
		t.Errorf("got %+v, then %+v", first, second)
	}
}
