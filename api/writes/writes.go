// Package writes holds the handlers of every operation that gives an order: each turns a request's body into one
// command, by way of the names that people use, and the command's faults back into faults of the body's fields.
// Package api says at which address each of them is and who may call it.
package writes

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/bandwidth"
	"github.com/ezscale/platform/query/provisioning"
)

// Orders is what the handlers share.
type Orders struct {
	Commands *command.DB
	Postgres query.Postgres // a read-only pool, to look names up
	Now      func() time.Time
}

// Reference names what a write made or changed.
type Reference struct {
	ID   uuid.UUID `json:"id" format:"uuid"`
	Name string    `json:"name"`
}

// Write is what every write takes beside its body.
type Write struct {
	Key   string `header:"Idempotency-Key" maxLength:"255" doc:"Names the operation, so that it can be repeated safely; absent: a fresh one"`
	Match string `header:"If-Match" maxLength:"22" doc:"Version of the object that the change is meant for; absent: any"`
}

func (o Orders) meta(ctx context.Context, w Write) (command.Meta, error) { return w.Meta(ctx, o.Now()) }

// Meta is what a command runs with. A key draws the same ids each time, so that a repeated request is the same input.
func (w Write) Meta(ctx context.Context, now time.Time) (command.Meta, error) {
	meta := guard.Meta(ctx, now)
	if !utf8.ValidString(w.Key) {
		return meta, inHeader(ctx, "Idempotency-Key", "is not UTF-8")
	}
	if meta.Key = w.Key; meta.Key == "" {
		meta.Key = "fresh:" + uuid.NewString()
	}
	meta.NewID = command.KeyedIDs(meta.Actor, meta.Key)
	if w.Match == "" || w.Match == "*" {
		return meta, nil
	}
	version, err := strconv.ParseInt(strings.Trim(w.Match, `"`), 10, 64)
	if err != nil || version < 0 {
		return meta, inHeader(ctx, "If-Match", "is not a version")
	}
	meta.ExpectedVersion = &version
	return meta, nil
}

// inHeader says what is wrong with a header.
func inHeader(ctx context.Context, name, message string) error {
	p := problem.New(ctx, http.StatusUnprocessableEntity, "invalid_input", "the input is not valid")
	p.Errors = []problem.Field{{Location: "header." + name, Message: message}}
	return p
}

// inBody renames the fields of a command's fault to those of the request's body.
func inBody(err error, names ...string) error {
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Fields) == 0 {
		return err
	}
	renamed := *f
	renamed.Fields = append([]fault.Field(nil), f.Fields...)
	replacer := strings.NewReplacer(names...)
	for i := range renamed.Fields {
		renamed.Fields[i].Name = replacer.Replace(renamed.Fields[i].Name)
	}
	return &renamed
}

// notFoundAs tells that what a body's field names does not exist: the input's fault, not the address's.
func notFoundAs(err error, field, value string) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	var fields fault.Fields
	what := strings.TrimPrefix(strings.TrimPrefix(field, "from_"), "to_")
	fields.Add(field, "there is no %s %q", what, value)
	return fields.Err()
}

// ServiceInput names a service in an operation's path.
type ServiceInput struct {
	ID string `path:"id" maxLength:"200" doc:"Id or name"`
}

func (o Orders) service(ctx context.Context, reference string) (provisioning.Service, error) {
	return provisioning.FindService(ctx, o.Postgres, guard.ScopeOf(ctx), reference, o.Now())
}

// exporter finds what a body's field names.
func (o Orders) exporter(ctx context.Context, field, reference string) (uuid.UUID, error) {
	found, err := bandwidth.NameExporter(ctx, o.Postgres, reference)
	if fault.Is(err, fault.NotFound) {
		var fields fault.Fields
		fields.Add(field, "there is no exporter %q", reference)
		return uuid.Nil, fields.Err()
	}
	return found.ID, err
}

// attachment finds the exporter that a prefix is attached to; nil for none.
func (o Orders) attachment(ctx context.Context, field, reference string) (*uuid.UUID, error) {
	if reference == "" {
		return nil, nil
	}
	id, err := o.exporter(ctx, field, reference)
	return &id, err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
