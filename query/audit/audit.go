// Package audit answers what was ordered, by whom and from where: the whole log to staff, to everybody else what they
// did themselves and what was done to what is theirs. The latter says of others' orders only whether staff or the platform
// gave them, and never what stood in them. Of staff who looked at an account as one of its people it says who: their
// name is the caller's to find, for whoever asks for a customer may not read who works here.
package audit

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

// Object is what an order was about.
type Object struct {
	Type string    `json:"type" example:"service"`
	ID   uuid.UUID `json:"id" format:"uuid"`
}

// Entry is one order in the log, as staff sees it.
type Entry struct {
	ID        int64           `json:"id"`
	Sequence  *int64          `json:"sequence,omitempty" doc:"Place in the chain; absent for the moment until the row is sealed"`
	At        time.Time       `json:"at"`
	Actor     string          `json:"actor" example:"staff:token"`
	Command   string          `json:"command" example:"catalog.ChangePlan"`
	Object    Object          `json:"object" db:"-"`
	RequestID *string         `json:"request_id,omitempty"`
	IP        *string         `json:"ip,omitempty" doc:"Where the request came from; absent for what no request ordered"`
	UserAgent *string         `json:"user_agent,omitempty"`
	Input     json.RawMessage `json:"input,omitempty" doc:"The order's fields, secrets and personal data redacted"`
	Outcome   json.RawMessage `json:"outcome,omitempty" doc:"What it came to, where that is not in the input"`
	Before    json.RawMessage `json:"before,omitempty" doc:"Fields that it changed, as they were"`
	After     json.RawMessage `json:"after,omitempty" doc:"The same fields as they were then"`
	Erased    bool            `json:"erased,omitempty" doc:"Request, address, input and changes were erased for a person's sake"`
}

// Activity is one order, as the person sees it who gave it or owns its object.
type Activity struct {
	At      time.Time `json:"at"`
	Command string    `json:"command" example:"provisioning.ChangeServicePlan"`
	Object  Object    `json:"object" db:"-"`
	By      string    `json:"by" enum:"you,staff,system,other"`
	// Who of the staff looked at the account as one of its people; nil: none of them did.
	ImpersonatorID *uuid.UUID `json:"-"`
	ImpersonatedBy string     `json:"impersonated_by,omitempty" db:"-" doc:"Who of the staff looked at the account as one of its people, when that is how it came to be ordered"`
	IP             *string    `json:"ip,omitempty" doc:"Of your own orders"`
	UserAgent      *string    `json:"user_agent,omitempty" doc:"Of your own orders"`
}

// Filter narrows the log. Empty fields keep all.
type Filter struct {
	Actor   string // whole, or its kind with the colon: "staff:"
	Command string // whole, or its context with the point: "billing."
	Object  string // its type, its id, or both: "service:01890a5d-…"
	From    time.Time
	To      time.Time // exclusive
}

//go:embed list_entries.sql
var listEntriesSQL string

//go:embed list_activity.sql
var listActivitySQL string

type entryRow struct {
	Entry
	AggregateType string
	AggregateID   uuid.UUID
}

type activityRow struct {
	Activity
	ID            int64
	AggregateType string
	AggregateID   uuid.UUID
}

// List lists the log, newest first. It is for staff: there is no scope.
func List(ctx context.Context, db query.Postgres, filter Filter, page query.Page) (query.List[Entry], error) {
	at, id, err := after(page)
	if err != nil {
		return query.List[Entry]{}, err
	}
	where, args, err := filter.where([]any{at, id, page.Rows()})
	if err != nil {
		return query.List[Entry]{}, err
	}
	rows, err := query.All[entryRow](ctx, db, fmt.Sprintf(listEntriesSQL, where), args...)
	if err != nil {
		return query.List[Entry]{}, err
	}
	entries := make([]Entry, len(rows))
	for i, row := range rows {
		entries[i] = row.Entry
		entries[i].Object = Object{row.AggregateType, row.AggregateID}
	}
	return query.Cut(page, entries, func(e Entry) []string { return query.TimeKey(e.At, strconv.FormatInt(e.ID, 10)) }), nil
}

// where adds the conditions that the filter asks for, and no others, so that each has its index.
func (f Filter) where(args []any) (string, []any, error) {
	var where strings.Builder
	and := func(condition string, value any) {
		args = append(args, value)
		fmt.Fprintf(&where, " and "+condition, len(args))
	}
	prefixed := func(column, value, end string) {
		switch {
		case strings.HasSuffix(value, end):
			and("starts_with("+column+", $%d::text)", value)
		case value != "":
			and(column+" = $%d::text", value)
		}
	}
	prefixed("a.actor", f.Actor, ":")
	prefixed("a.command", f.Command, ".")
	kind, reference, both := strings.Cut(f.Object, ":")
	if id, err := uuid.Parse(f.Object); err == nil {
		kind, reference, both = "", id.String(), true
	}
	if kind != "" {
		and("a.aggregate_type = $%d::text", kind)
	}
	if both {
		id, err := uuid.Parse(reference)
		if err != nil {
			var fields fault.Fields
			fields.Add("object", "is not a type, an id, or both as type:id")
			return "", nil, fields.Err()
		}
		and("a.aggregate_id = $%d::uuid", id)
	}
	if !f.From.IsZero() {
		and("a.at >= $%d::timestamptz", f.From)
	}
	if !f.To.IsZero() {
		and("a.at < $%d::timestamptz", f.To)
	}
	return where.String(), args, nil
}

// Own lists what an actor did, and what was done to a customer (nil: none) and their services, newest first.
func Own(ctx context.Context, db query.Postgres, actor string, customer *uuid.UUID, page query.Page) (query.List[Activity], error) {
	at, id, err := after(page)
	if err != nil {
		return query.List[Activity]{}, err
	}
	rows, err := query.All[activityRow](ctx, db, listActivitySQL, actor, customer, at, id, page.Rows())
	if err != nil {
		return query.List[Activity]{}, err
	}
	for i, row := range rows {
		rows[i].Object = Object{row.AggregateType, row.AggregateID}
	}
	cut := query.Cut(page, rows, func(r activityRow) []string { return query.TimeKey(r.At, strconv.FormatInt(r.ID, 10)) })
	list := query.List[Activity]{Items: make([]Activity, len(cut.Items)), NextCursor: cut.NextCursor}
	for i, row := range cut.Items {
		list.Items[i] = row.Activity
	}
	return list, nil
}

// after is where a page begins; nil: with the newest.
func after(page query.Page) (*time.Time, *int64, error) {
	at, text, err := page.TimeAfter()
	if err != nil || at == nil {
		return nil, nil, err
	}
	id, err := strconv.ParseInt(*text, 10, 64)
	if err != nil {
		var fields fault.Fields
		fields.Add("cursor", "is not a cursor of this list")
		return nil, nil, fields.Err()
	}
	return at, &id, nil
}
