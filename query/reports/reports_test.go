package reports_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/reports"
)

// nothing is a database that must not be asked.
type nothing struct{}

func (nothing) Query(context.Context, string, ...any) (pgx.Rows, error) { panic("asked") }
func (nothing) QueryRow(context.Context, string, ...any) pgx.Row        { panic("asked") }

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]reports.Request{
		"from: must be a whole hour":    {From: hour(10).Add(time.Minute), To: hour(12)},
		"to: must be a whole hour":      {From: hour(10), To: hour(12).Add(time.Second)},
		"to: must be after from":        {From: hour(10), To: hour(10)},
		"from: is in the future":        {From: hour(14), To: hour(15)},
		"400 days":                      {From: hour(0).AddDate(-2, 0, 0), To: hour(12)},
		"sort: is no column":            {Sort: "bytes; drop table usage_hourly"},
		"order: must be":                {Order: "sideways"},
		"state: is no state":            {State: "open"},
		"service: is no filter":         {Service: "s1"},
		"if_index: is no filter":        {Port: 5},
		"rate: is no filter":            {Rate: of(int64(5))},
		"rate: must not be negative":    {Rate: of(int64(-5))},
		"if_index: must be 1 to":        {Port: 1 << 32},
		"cursor: is not a cursor":       {Page: query.Page{Cursor: "x"}},
		"cursor of this list in this o": {Page: query.Page{Cursor: query.EncodeCursor("bytes_l3 desc", "5", "k")}},
		"cursor of this list in this":   {Page: query.Page{Cursor: query.EncodeCursor("bytes_l2 desc", "5x", "k")}},
	}
	for want, request := range cases {
		if _, err := reports.TopServices().List(context.Background(), nothing{}, request, now); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := reports.PortHours().List(context.Background(), nothing{}, reports.Request{}, now); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "exporter: must be given") {
		t.Errorf("needs: %v", err)
	}
	if _, err := reports.Unattributed().List(context.Background(), nothing{}, reports.Request{Search: "10.0.0.0/33"}, now); !fault.Is(err, fault.Invalid) {
		t.Errorf("search: %v", err)
	}
}

func TestUnknownNamesAreTheInputsFault(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	_, err := reports.Evidence().List(context.Background(), b.read, reports.Request{Exporter: "e9", Service: "s9"}, now)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `there is no exporter "e9"`) || !strings.Contains(err.Error(), `there is no service "s9"`) {
		t.Error(err)
	}
}

func TestWithoutARangeTheNewestHoursAreMeant(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	answer, err := reports.TopServices().List(context.Background(), b.read, reports.Request{}, now)
	if err != nil || !answer.From.Equal(hour(13).AddDate(0, 0, -1)) || !answer.To.Equal(hour(13)) {
		t.Errorf("%+v %v", answer.Range, err)
	}
}

// Whatever a report is ordered by, its pages laid end to end are the report: nothing twice, nothing left out, ties
// and nulls included.
func TestPagesInEveryOrderAreTheWhole(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	traffic(b)
	ports(b)
	b.quarantine(1, 12, 1, "out", 20000, 5)
	b.exec(`insert into exporter_seen (exporter_id, first_at, last_at) select id, $1, $2 from exporter`, hour(8), now)
	b.exec(`insert into unattributed_hourly (exporter_id, hour, address, bytes_l2, bytes_l3, packets, samples) select $1, $2, ('10.0.0.' || n)::inet, n % 3, 1, 1, 1 from generate_series(1, 9) n`, exporter(1), hour(10))
	pages(t, b, reports.TopServices(), reports.Request{})
	pages(t, b, reports.TopExporters(), reports.Request{})
	pages(t, b, reports.TopPorts(), reports.Request{})
	pages(t, b, reports.Unattributed(), reports.Request{})
	pages(t, b, reports.Reconciliation(), reports.Request{})
	pages(t, b, reports.PortHours(), reports.Request{Exporter: "e1", Port: 5})
	pages(t, b, reports.Rates(), reports.Request{})
	pages(t, b, reports.Ingest(), reports.Request{})
	pages(t, b, reports.Quarantine(), reports.Request{State: "all"})
	pages(t, b, reports.QuarantineGroups(), reports.Request{})
	pages(t, b, reports.QuarantineDecisions(), reports.Request{})
	pages(t, b, reports.Bindings(), reports.Request{})
	pages(t, b, reports.Evidence(), reports.Request{})
	pages(t, b, reports.Corrections(), reports.Request{})
}

func pages[T reports.Row](t *testing.T, b books, r reports.Report[T], q reports.Request) {
	t.Helper()
	q.From, q.To = hour(10), hour(13)
	for _, column := range r.Orders {
		for _, order := range []string{"asc", "desc"} {
			q.Sort, q.Order, q.Page = column.Name, order, query.Page{}
			whole := list(b, r, q)
			var laid []T
			for q.Page = (query.Page{Limit: 1}); len(laid) <= len(whole); {
				answer, err := r.List(context.Background(), b.read, q, now)
				if err != nil {
					t.Fatalf("%s by %s %s: %v", r.Name, column.Name, order, err)
				}
				laid = append(laid, answer.Items...)
				if q.Page.Cursor = answer.NextCursor; q.Page.Cursor == "" {
					break
				}
			}
			if diff := cmp.Diff(whole, laid, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s by %s %s: %s", r.Name, column.Name, order, diff)
			}
		}
	}
}

func TestAnExportIsEveryRowInOrder(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	traffic(b)
	ctx := context.Background()
	read := func(q reports.Request) (rows []string) {
		t.Helper()
		q.From, q.To = hour(10), hour(13)
		stream, err := reports.TopServices().Open(ctx, b.read, q, now)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close(ctx)
		if err := stream.Each(func(s reports.TopService) error { rows = append(rows, s.Service); return nil }); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if diff := cmp.Diff([]string{"s1", "s2", "s3"}, read(reports.Request{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"s3", "s2"}, read(reports.Request{Order: "asc", Page: query.Page{Limit: 2}})); diff != "" {
		t.Error(diff)
	}
	if got := read(reports.Request{Search: "nobody"}); got != nil {
		t.Errorf("nothing: %v", got)
	}
	stop := errors.New("enough")
	stream, err := reports.TopServices().Open(ctx, b.read, reports.Request{}, now)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(ctx)
	if err := stream.Each(func(reports.TopService) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a reader that had enough: %v", err)
	}
}

func TestAnExportBeyondItsBoundIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	traffic(b)
	few := reports.TopServices()
	few.Most = 3
	ask := func(q reports.Request) error {
		q.From, q.To = hour(10), hour(13)
		stream, err := few.Open(context.Background(), b.read, q, now)
		if err == nil {
			stream.Close(context.Background())
		}
		return err
	}
	if err := ask(reports.Request{}); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	few.Most = 2
	if err := ask(reports.Request{}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "3 rows and an export at most 2") {
		t.Errorf("one more: %v", err)
	}
	if err := ask(reports.Request{Page: query.Page{Limit: 1}}); err != nil {
		t.Errorf("the first alone: %v", err)
	}
}
