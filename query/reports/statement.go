package reports

import (
	"regexp"
	"strings"
	"time"
)

// frame is what makes a page of a report's statement: the column it is ordered by as text, and the rows behind a
// place in that order. Only names that this package holds go into it; what a request says is a parameter.
const frame = `select r.*, coalesce({order}, {least})::text as sort_value, {total} as total_rows
from (
{sql}
) r
{where}
order by coalesce({order}, {least}) {way}, sort_key collate "C" {way}
limit @rows`

const behind = `where @after_value::text is null or (coalesce({order}, {least}), sort_key collate "C") {than} (@after_value::text::{kind}, @after_key::text)`

var number = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,40})?$`)

// least stands for null, so that rows without a value have their place too: after all others where the largest
// come first.
func (o Order) least() string {
	switch o.kind {
	case "numeric":
		return "-1"
	case "timestamptz":
		return "'-infinity'::timestamptz"
	default:
		return "''"
	}
}

// expr is the column as the order compares it: text by its bytes, as sort_key is.
func (o Order) expr() string {
	if o.kind == "text" {
		return o.expression + ` collate "C"`
	}
	return o.expression + "::" + o.kind
}

// holds tells whether a text of a cursor can be a value of the column.
func (o Order) holds(value string) bool {
	switch o.kind {
	case "numeric":
		return number.MatchString(value)
	case "timestamptz":
		_, err := time.Parse("2006-01-02 15:04:05.999999-07", value)
		return err == nil || value == "-infinity"
	default:
		return true
	}
}

// page is the statement of one page.
func (r Report[T]) page(p plan) string { return r.frame(p, "0::bigint", behind) }

// whole is the statement of an export: every row, and how many there are.
func (r Report[T]) whole(p plan) string { return r.frame(p, "count(*) over ()", "") }

func (r Report[T]) frame(p plan, total, where string) string {
	way, than := "asc", ">"
	if p.descending {
		way, than = "desc", "<"
	}
	text := strings.ReplaceAll(strings.Replace(frame, "{where}", where, 1), "{total}", total)
	words := strings.NewReplacer("{order}", p.order.expr(), "{least}", p.order.least(), "{kind}", p.order.kind, "{way}", way, "{than}", than, "{sql}", r.sql)
	return words.Replace(text)
}
