// Package report serves the reports of query/reports: each as a list in pages, and as a file.
//
// The file is streamed while Postgres still reads: at most maxExports at a time, each with a bound of time for its
// reader to take a chunk and one for the whole. What is wrong before the first row is a problem document; what fails
// later breaks the connection off, so that no half file passes for a whole one.
package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/ezscale/platform/api/export"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/reports"
)

const (
	listTime    = 30 * time.Second
	maxExports  = 4                // at a time
	exportBound = 30 * time.Second // for the reader to take what was written
	exportChunk = 64 << 10
)

// Desk is where reports are asked for: what the edge lends to their operations.
type Desk struct {
	Postgres query.Postgres // a read-only pool
	Now      func() time.Time
	Log      *slog.Logger
	Problem  func(ctx context.Context, where string, err error) *problem.Problem
	// Operation describes an operation for staff as the edge describes all of them. path is below the API's prefix.
	Operation func(path, id, tag, summary string) huma.Operation
}

// desk is a Desk with its exports under way.
type desk struct {
	Desk
	exports chan struct{}
}

// Input is a question to a report. Each report takes its own of the filters and refuses the others.
type Input struct {
	From     time.Time `query:"from" doc:"A whole hour UTC; absent: the report's usual span before to"`
	To       time.Time `query:"to" doc:"A whole hour UTC, exclusive; absent: the end of the running hour"`
	Sort     string    `query:"sort" maxLength:"40" doc:"Column to order by; absent: the report's first"`
	Order    string    `query:"order" enum:"asc,desc" doc:"Absent: the largest, newest or first by name"`
	Exporter string    `query:"exporter" maxLength:"200" doc:"Id or name"`
	Service  string    `query:"service" maxLength:"200" doc:"Id or name"`
	Port     int64     `query:"if_index" minimum:"1" maximum:"4294967295" doc:"ifIndex of a port"`
	Rate     given     `query:"rate" minimum:"0" maximum:"4294967295" doc:"Sampling rate; 0: of samples that state none"`
	State    string    `query:"state" maxLength:"40" doc:"Absent: the report's first"`
	Search   string    `query:"q" maxLength:"200" doc:"Part of a name; an address or prefix where the report is of addresses"`
}

// given is a number for which 0 is another thing than nothing.
type given struct {
	number int64
	is     bool
}

// Schema is that of the number.
func (given) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[int64]())
}

// Receiver takes the number.
func (g *given) Receiver() reflect.Value { return reflect.ValueOf(&g.number).Elem() }

// OnParamSet tells whether it was given.
func (g *given) OnParamSet(is bool, _ any) { g.is = is }

func (g given) orNull() *int64 {
	if !g.is {
		return nil
	}
	return &g.number
}

type pageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the page before"`
	Input
}

type exportInput struct {
	Input
	Format string `query:"format" enum:"csv,parquet" default:"csv"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000000" doc:"The first so many rows; absent: all of them"`
}

func (in Input) request(page query.Page) reports.Request {
	return reports.Request{From: in.From, To: in.To, Sort: in.Sort, Order: in.Order, Exporter: in.Exporter, Service: in.Service,
		Port: in.Port, Rate: in.Rate.orNull(), State: in.State, Search: in.Search, Page: page}
}

// Register registers every report.
func Register(api huma.API, lent Desk) {
	d := &desk{Desk: lent, exports: make(chan struct{}, maxExports)}
	serve(d, api, reports.TopServices())
	serve(d, api, reports.TopExporters())
	serve(d, api, reports.TopPorts())
	serve(d, api, reports.Unattributed())
	serve(d, api, reports.Reconciliation())
	serve(d, api, reports.PortHours())
	serve(d, api, reports.Rates())
	serve(d, api, reports.Ingest())
	serve(d, api, reports.Quarantine())
	serve(d, api, reports.QuarantineGroups())
	serve(d, api, reports.QuarantineDecisions())
	serve(d, api, reports.Bindings())
	serve(d, api, reports.Evidence())
	serve(d, api, reports.Corrections())
}

// body is an answer as huma wants it.
type body[T any] struct{ Body T }

// serve registers one report as a list and as a file.
func serve[T reports.Row](d *desk, api huma.API, r reports.Report[T]) {
	path := "/reports/" + r.Name
	list := d.Operation(path, "report-"+r.Name, "reports", r.Title)
	huma.Register(api, list, func(ctx context.Context, in *pageInput) (*body[reports.Answer[T]], error) {
		ctx, cancel := context.WithTimeout(ctx, listTime)
		defer cancel()
		answer, err := r.List(ctx, d.Postgres, in.request(query.Page{Limit: in.Limit, Cursor: in.Cursor}), d.Now())
		if err != nil {
			return nil, d.Problem(ctx, "query.", err)
		}
		return &body[reports.Answer[T]]{Body: answer}, nil
	})
	describe(api, list.Path, r)
	file := d.Operation(path+"/export", "export-"+r.Name, "reports", r.Title+", as a file")
	file.Responses["200"] = &huma.Response{Description: "The rows, one column a field", Content: map[string]*huma.MediaType{
		"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}, export.Parquet.ContentType(): {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}
	huma.Register(api, file, func(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
		answer, err := exportRows(ctx, d, r, in)
		if err != nil {
			return nil, d.Problem(ctx, "query.", err)
		}
		return answer, nil
	})
	describe(api, file.Path, r)
}

// describe keeps the parameters of an operation to those that the report takes, and lists their values.
func describe[T reports.Row](api huma.API, path string, r reports.Report[T]) {
	get := api.OpenAPI().Paths[path].Get
	get.Parameters = slices.DeleteFunc(get.Parameters, func(p *huma.Param) bool {
		isFilter := slices.Contains([]string{"exporter", "service", "if_index", "rate", "q"}, p.Name)
		return isFilter && !slices.Contains(r.Filters, p.Name) || p.Name == "state" && len(r.States) == 0
	})
	columns := make([]string, len(r.Orders))
	for i, o := range r.Orders {
		columns[i] = o.Name
	}
	get.Description = "For staff. Sorts by " + strings.Join(columns, ", ") + "."
	if len(r.States) > 0 {
		get.Description += " States: " + strings.Join(r.States, ", ") + "."
	}
}

// exportRows opens the rows and answers with what writes them.
func exportRows[T reports.Row](ctx context.Context, d *desk, r reports.Report[T], in *exportInput) (*huma.StreamResponse, error) {
	select {
	case d.exports <- struct{}{}:
	default:
		return nil, fault.New(fault.Unavailable, "busy", "%d exports are under way, which is as many as may be; try again when one has ended", maxExports)
	}
	ctx, cancel := context.WithTimeout(ctx, reports.ExportTime)
	stream, err := r.Open(ctx, d.Postgres, in.request(query.Page{Limit: in.Limit}), d.Now())
	if err != nil {
		cancel()
		<-d.exports
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer func() { stream.Close(ctx); cancel(); <-d.exports }()
		w := humagin.Unwrap(hctx).Writer
		format := export.Format(in.Format)
		w.Header().Set("Content-Type", format.ContentType())
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(r.Name, stream.Range, format)))
		if err := writeRows(newPatient(w), format, stream); err != nil {
			d.Log.WarnContext(ctx, "an export broke off", "report", r.Name, "request_id", problem.RequestID(ctx), "error", err)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) // nothing more is written, not even the end
		}
	}}, nil
}

// fileName says what is in the file: "ezscale-top-services-20260301T00-20260401T00.csv".
func fileName(report string, hours reports.Range, format export.Format) string {
	const hour = "20060102T15"
	return fmt.Sprintf("ezscale-%s-%s-%s.%s", report, hours.From.Format(hour), hours.To.Format(hour), format)
}

func writeRows[T reports.Row](to *patient, format export.Format, stream *reports.Stream[T]) error {
	file, err := export.New[T](format, to)
	if err != nil {
		return err
	}
	if err := stream.Each(file.Write); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return to.flush()
}

// patient gives the reader time for each chunk, however long the whole takes.
type patient struct {
	to      io.Writer
	control *http.ResponseController
	chunk   []byte
}

func newPatient(w http.ResponseWriter) *patient {
	return &patient{to: w, control: http.NewResponseController(w), chunk: make([]byte, 0, exportChunk)}
}

func (p *patient) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), cap(p.chunk)-len(p.chunk))
		p.chunk, rest = append(p.chunk, rest[:n]...), rest[n:]
		if len(p.chunk) < cap(p.chunk) {
			continue
		}
		if err := p.flush(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (p *patient) flush() error {
	if err := p.control.SetWriteDeadline(time.Now().Add(exportBound)); err != nil {
		return fmt.Errorf("bound an export's write: %w", err)
	}
	if _, err := p.to.Write(p.chunk); err != nil {
		return fmt.Errorf("write an export: %w", err)
	}
	p.chunk = p.chunk[:0]
	return nil
}
