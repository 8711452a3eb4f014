package bandwidth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/clickhouse/clickhousetest"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/query/bandwidth"
)

var now = time.Date(2026, 3, 10, 12, 30, 5, 0, time.UTC)

func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-03-10T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

// heard says that an exporter was heard each minute of an interval.
func heard(t *testing.T, owner *pgxpool.Pool, from, to time.Time) {
	t.Helper()
	_, err := owner.Exec(context.Background(), `with e as (
		insert into exporter (id, name, source, count_policy, created_at) values (gen_random_uuid(), 'leaf-0', '127.0.0.1/32', 'ingress', $1) returning id)
		insert into loss_minute (exporter_id, minute, datagrams) select e.id, m, 60 from e, generate_series($1::timestamptz, $2::timestamptz - interval '1 minute', '1 minute') m`, from, to)
	if err != nil {
		t.Fatal(err)
	}
}

func slot(t *testing.T, owner *pgxpool.Pool, service uuid.UUID, at time.Time, in int64) {
	t.Helper()
	_, err := owner.Exec(context.Background(), `insert into usage_slot (service_id, slot, bytes_in_l2, bytes_in_l3, meter, flush) values ($1, $2, $3, $3, 0, 0)`, service, at, in)
	if err != nil {
		t.Fatal(err)
	}
}

// in writes a series' incoming values by the time of their step; silence is left out, null is -1.
func in(s bandwidth.Series) map[string]int64 {
	values := map[string]int64{}
	for _, p := range s.Points {
		switch {
		case p.In == nil:
			values[p.T.Format(time.TimeOnly)] = -1
		case *p.In != 0:
			values[p.T.Format(time.TimeOnly)] = *p.In
		}
	}
	return values
}

// The past is ClickHouse's, the newest minutes are Postgres', and nothing is counted twice where both have it.
func TestTheLiveEdgeIsLaidOver(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	owner := db.Pool(postgres.RoleOwner)
	click := clickhousetest.New(t).Conn()
	service := uuid.New()
	heard(t, owner, at("11:00:00"), at("12:31:00"))
	for i, minute := range []string{"12:00:00", "12:01:00", "12:07:00", "12:25:00"} {
		for version := range 2 { // an older version of the row stays behind, and must not count
			n := int64(i*100 + 10*version)
			err := click.Exec(context.Background(), fmt.Sprintf(`insert into usage_minute values ('%s', '2026-03-10 %s', %d, %d, 0, %d, 0, 1, 0, 1, 0, [%d,0,0,0,0,%d], [0,0,0,0,0,0], [%d,0,0,0,0,%d], [0,0,0,0,0,0])`,
				service, minute, version+1, n+6, n+6, n, 6, n, 6))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	slot(t, owner, service, at("12:25:00"), 1000) // newer than ClickHouse's row of that minute
	slot(t, owner, service, at("12:29:50"), 7)
	slot(t, owner, service, at("12:30:00"), 8)
	src := bandwidth.Sources{Postgres: db.Pool(postgres.RoleQuery), ClickHouse: click}
	cases := map[string]map[string]int64{
		"10s": {"12:00:00": 10, "12:00:50": 6, "12:01:00": 110, "12:01:50": 6, "12:07:00": 210, "12:07:50": 6, "12:25:00": 1000, "12:29:50": 7, "12:30:00": 8},
		"1m":  {"12:00:00": 16, "12:01:00": 116, "12:07:00": 216, "12:25:00": 1000, "12:29:00": 7, "12:30:00": 8},
		"5m":  {"12:00:00": 132, "12:05:00": 216, "12:25:00": 1007, "12:30:00": 8},
	}
	for step, want := range cases {
		for _, basis := range []string{"l2", "l3"} {
			got, err := bandwidth.UsageSeries(context.Background(), src, bandwidth.SeriesRequest{Service: service, From: at("11:55:00"), Step: step, Basis: basis}, now)
			if err != nil {
				t.Fatalf("%s: %v", step, err)
			}
			if diff := cmp.Diff(want, in(got)); diff != "" || got.ResolutionNote != "" {
				t.Errorf("%s %s: note %q\n%s", step, basis, got.ResolutionNote, diff)
			}
		}
	}
}

type away struct{}

func (away) Select(context.Context, any, string, ...any) error { return errors.New("away") }

func TestWithoutClickHouseTheSlotsAreShown(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	owner := db.Pool(postgres.RoleOwner)
	service := uuid.New()
	heard(t, owner, at("11:00:00"), at("12:31:00"))
	slot(t, owner, service, at("12:01:10"), 5)
	slot(t, owner, service, at("12:29:10"), 6)
	got, err := bandwidth.UsageSeries(context.Background(), bandwidth.Sources{Postgres: db.Pool(postgres.RoleQuery), ClickHouse: away{}},
		bandwidth.SeriesRequest{Service: service, From: at("12:00:00"), Step: "1m"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"12:01:00": 5, "12:29:00": 6}, in(got)); diff != "" || got.ResolutionNote == "" {
		t.Errorf("note %q\n%s", got.ResolutionNote, diff)
	}
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]bandwidth.SeriesRequest{
		"step":     {Step: "7m"},
		"unit":     {Unit: "furlongs"},
		"basis":    {Basis: "l4"},
		"to":       {From: at("12:00:00"), To: at("12:00:00")},
		"step=1m,": {From: at("00:00:00").AddDate(0, 0, -1), Step: "10s"},
	}
	for want, request := range cases {
		_, err := bandwidth.UsageSeries(context.Background(), bandwidth.Sources{}, request, now)
		want, _, tooMany := strings.Cut(want, "=")
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || tooMany && !strings.Contains(err.Error(), "ask for 1m") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestAChangeUnderWayIsSeenWhenItCommits(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	owner, read := db.Pool(postgres.RoleOwner), db.Pool(postgres.RoleQuery)
	ctx := context.Background()
	tx, err := owner.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const insert = `insert into exporter (id, name, source, agent, count_policy, created_at) values ($1, $2, '127.0.0.1/32', $3, 'ingress', now())`
	if _, err := tx.Exec(ctx, insert, uuid.New(), "under way", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(ctx, insert, uuid.New(), "there", "127.0.0.2"); err != nil { // later, and committed earlier
		t.Fatal(err)
	}
	list, err := bandwidth.Exporters(ctx, read)
	if err != nil || len(list.Exporters) != 1 {
		t.Fatalf("%+v %v", list, err)
	}
	check := func(want bool) {
		t.Helper()
		if changed, err := bandwidth.ExportersChanged(ctx, read, list.Snapshot); err != nil || changed != want {
			t.Errorf("changed %v (%v), want %v", changed, err, want)
		}
	}
	check(false)
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	check(true)
	if list, err = bandwidth.Exporters(ctx, read); err != nil || len(list.Exporters) != 2 {
		t.Fatalf("%+v %v", list, err)
	}
	check(false)
}
