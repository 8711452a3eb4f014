// Package reports answers what operators ask of the meter over a range of whole hours: who sends most, which ports
// and their counters disagree, what nobody is billed for, what was lost on the way, what waits for a decision.
//
// A report is one statement (its SQL beside it), the filters it takes and the columns it may be ordered by. What
// all of them share is here: the range and its bounds, pages by keyset in any of the orders, and the same rows as a
// stream for exports. The statement's rows carry a sort_key that is unique among them, so a page begins exactly
// where the one before ended, whichever column it is ordered by. Exports are of the whole range and refuse, before
// their first row, what would be more than MaxExportRows.
//
// Everything is for staff; there is no scope in here. A filter that a report does not take is refused rather than
// ignored, for a number that answers another question is worse than none.
package reports

import (
	"slices"
	"time"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

// Bounds of every report.
const (
	MaxRange      = 400 * 24 * time.Hour
	MaxExportRows = 1_000_000
)

// The usual spans of a report that is asked for without a range.
const (
	day   = 24 * time.Hour
	month = 31 * day
)

// The filters of Request, by the names that requests give them.
const (
	byExporter = "exporter"
	byService  = "service"
	byPort     = "if_index"
	byRate     = "rate"
	bySearch   = "q"
)

// Request is a question to a report. Zero values mean: the report's usual range and order, no filter.
type Request struct {
	From, To time.Time // whole hours UTC, To exclusive
	Sort     string    // a column of the report
	Order    string    // "asc" or "desc"; empty: as the column is usually read
	Page     query.Page
	Exporter string // id or name
	Service  string // id or name
	Port     int64  // ifIndex
	Rate     *int64 // sampling rate; nil: any
	State    string // one of the report's states
	Search   string
}

// Range is the hours that an answer is about.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to" doc:"Exclusive"`
}

// Answer is a page of a report, and the range it is of.
type Answer[T any] struct {
	Range
	query.List[T]
}

// Keyed is the part of each row that says where it stands in the order.
type Keyed struct {
	SortKey   string `json:"-"` // unique among the report's rows
	SortValue string `json:"-"` // of the column that orders them
	TotalRows int64  `json:"-"` // of the whole report, in an export
}

func (k Keyed) place() Keyed { return k }

// Row is a row of a report: a flat struct that embeds Keyed.
type Row interface{ place() Keyed }

// Order is a column that a report may be sorted by.
type Order struct {
	Name       string
	expression string // over the columns of the statement
	kind       string // numeric, text or timestamptz
	ascending  bool   // as it is usually read
}

// Report is one question. T's columns are those of the statement.
type Report[T Row] struct {
	Name    string
	Title   string
	Filters []string // that it takes, by name
	States  []string // that it tells apart, the usual one first
	Orders  []Order  // the usual one first
	Most    int      // rows of an export; 0: MaxExportRows
	needs   []string // filters without which there is no answer
	span    time.Duration
	sql     string
	search  func(string) (string, error) // checks Search; nil: any text
}

func bytesOrder(name string) Order { return Order{Name: name, expression: name, kind: "numeric"} }
func textOrder(name string) Order {
	return Order{Name: name, expression: name, kind: "text", ascending: true}
}
func timeOrder(name string) Order { return Order{Name: name, expression: name, kind: "timestamptz"} }

// byColumn is the orders of columns that are numbers, with the largest first.
func byColumn(names ...string) []Order {
	orders := make([]Order, len(names))
	for i, name := range names {
		orders[i] = bytesOrder(name)
	}
	return orders
}

// rangeOf is the hours asked for: the report's usual span up to the end of the hour that runs unless said otherwise.
func rangeOf(r Request, span time.Duration, now time.Time) (Range, error) {
	hours := Range{From: r.From.UTC(), To: r.To.UTC()}
	if r.To.IsZero() {
		hours.To = now.UTC().Truncate(time.Hour).Add(time.Hour)
	}
	if r.From.IsZero() {
		hours.From = hours.To.Add(-span)
	}
	var fields fault.Fields
	fields.Check(hours.From.Equal(hours.From.Truncate(time.Hour)), "from", "must be a whole hour UTC: what is metered is added up by the hour")
	fields.Check(hours.To.Equal(hours.To.Truncate(time.Hour)), "to", "must be a whole hour UTC: what is metered is added up by the hour")
	fields.Check(hours.From.Before(hours.To), "to", "must be after from")
	fields.Check(!hours.From.After(now), "from", "is in the future: nothing was metered then")
	fields.Check(hours.To.Sub(hours.From) <= MaxRange, "from", "is more than %d days before to", MaxRange/day)
	return hours, fields.Err()
}

// check refuses filters that the report does not take, and the lack of those it needs.
func (r Report[T]) check(q Request) error {
	var fields fault.Fields
	given := map[string]bool{byExporter: q.Exporter != "", byService: q.Service != "", byPort: q.Port != 0, byRate: q.Rate != nil, bySearch: q.Search != ""}
	for _, name := range []string{byExporter, byService, byPort, byRate, bySearch} {
		fields.Check(!given[name] || slices.Contains(r.Filters, name), name, "is no filter of this report")
		fields.Check(given[name] || !slices.Contains(r.needs, name), name, "must be given for this report")
	}
	fields.Check(q.Port >= 0 && q.Port <= 1<<32-1, byPort, "must be 1 to 4294967295")
	fields.Check(q.Rate == nil || *q.Rate >= 0, byRate, "must not be negative")
	fields.Check(q.State == "" || slices.Contains(r.States, q.State), "state", "is no state of this report")
	fields.Check(slices.Contains([]string{"", "asc", "desc"}, q.Order), "order", "must be asc or desc")
	if _, ok := r.order(q.Sort); !ok {
		fields.Add("sort", "is no column that this report can be sorted by")
	}
	return fields.Err()
}

// order finds a column by name; the empty name is the usual one.
func (r Report[T]) order(name string) (Order, bool) {
	i := slices.IndexFunc(r.Orders, func(o Order) bool { return o.Name == name || name == "" })
	if i < 0 {
		return Order{}, false
	}
	return r.Orders[i], true
}
