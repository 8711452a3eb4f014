package reports

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

//go:embed find_exporter.sql
var findExporterSQL string

//go:embed find_service.sql
var findServiceSQL string

// minutesKept is how long the loss ledger of minutes is sure to be there.
const minutesKept = 34 * day

// settleAfter is how long a minute may still be on its way to the counters.
const settleAfter = 20 * time.Second

// plan is a request that was understood.
type plan struct {
	Range
	order      Order
	descending bool
	arguments  pgx.NamedArgs
}

// List gives one page. Errors: Invalid for ranges, filters, orders and cursors that make no sense.
func (r Report[T]) List(ctx context.Context, db query.Postgres, q Request, now time.Time) (Answer[T], error) {
	p, err := r.plan(ctx, db, q, now)
	if err != nil {
		return Answer[T]{}, err
	}
	if err := p.after(q.Page); err != nil {
		return Answer[T]{}, err
	}
	p.arguments["rows"] = q.Page.Rows()
	rows, err := query.All[T](ctx, db, r.page(p), p.arguments)
	if err != nil {
		return Answer[T]{}, fmt.Errorf("report %s: %w", r.Name, err)
	}
	return Answer[T]{Range: p.Range, List: query.Cut(q.Page, rows, keyOf[T](p))}, nil
}

// plan checks a request and makes the statement's arguments.
func (r Report[T]) plan(ctx context.Context, db query.Postgres, q Request, now time.Time) (plan, error) {
	if err := r.check(q); err != nil {
		return plan{}, err
	}
	span, err := rangeOf(q, r.span, now)
	if err != nil {
		return plan{}, err
	}
	p := plan{Range: span}
	p.order, _ = r.order(q.Sort)
	p.descending = q.Order == "desc" || q.Order == "" && !p.order.ascending
	p.arguments = pgx.NamedArgs{"from": span.From, "to": span.To, "now": now.UTC(), "port": orNull(q.Port), "rate": q.Rate,
		"state": r.state(q.State), "minutes_since": now.Add(-minutesKept).UTC(), "settled": now.Add(-settleAfter).UTC().Truncate(time.Minute)}
	return p, r.filter(ctx, db, q, p.arguments)
}

func (r Report[T]) state(wanted string) string {
	if wanted == "" && len(r.States) > 0 {
		return r.States[0]
	}
	return wanted
}

func orNull(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// filter looks up what the request names. An unknown name is the input's fault: no row would say why.
func (r Report[T]) filter(ctx context.Context, db query.Postgres, q Request, arguments pgx.NamedArgs) error {
	var fields fault.Fields
	for name, lookup := range map[string]struct{ sql, reference string }{byExporter: {findExporterSQL, q.Exporter}, byService: {findServiceSQL, q.Service}} {
		id, err := find(ctx, db, name, lookup.sql, lookup.reference)
		if fault.Is(err, fault.NotFound) {
			fields.Add(name, "there is no %s %q", name, lookup.reference)
		} else if err != nil {
			return err
		}
		arguments[name] = id
	}
	arguments["search"] = q.Search
	if r.search != nil && q.Search != "" {
		text, err := r.search(q.Search)
		if err != nil {
			fields.Add(bySearch, "%s", err)
		}
		arguments["search"] = text
	}
	return fields.Err()
}

// find gives the id of what is called so; nil for the empty reference.
func find(ctx context.Context, db query.Postgres, noun, sql, reference string) (*uuid.UUID, error) {
	if reference == "" {
		return nil, nil
	}
	found, err := query.One[struct{ ID uuid.UUID }](ctx, db, noun, sql, reference)
	if err != nil {
		return nil, err
	}
	return &found.ID, nil
}

// after reads the page's cursor: the order it is of, and the place where the page before ended.
func (p plan) after(page query.Page) error {
	p.arguments["after_value"], p.arguments["after_key"] = nil, nil
	key, err := query.DecodeCursor(page.Cursor, 3)
	if err != nil || key == nil {
		return err
	}
	if key[0] != p.name() || !p.order.holds(key[1]) {
		var fields fault.Fields
		fields.Add("cursor", "is not a cursor of this list in this order")
		return fields.Err()
	}
	p.arguments["after_value"], p.arguments["after_key"] = key[1], key[2]
	return nil
}

// keyOf gives a row's place as a cursor of the plan's order has it.
func keyOf[T Row](p plan) func(T) []string {
	return func(row T) []string { return []string{p.name(), row.place().SortValue, row.place().SortKey} }
}

// name is the order as a cursor remembers it.
func (p plan) name() string {
	if p.descending {
		return p.order.Name + " desc"
	}
	return p.order.Name + " asc"
}
