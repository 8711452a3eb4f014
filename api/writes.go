package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	read "github.com/ezscale/platform/query/bandwidth"
	whois "github.com/ezscale/platform/query/identity"
)

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

// meta is what a command runs with. A key draws the same ids each time, so that a repeated request is the same input.
func (e *edge) meta(ctx context.Context, w Write) (command.Meta, error) {
	meta := command.Meta{Actor: guard.ActorOf(ctx), Key: w.Key, RequestID: guard.RequestID(ctx), Now: e.Clock.Now()}
	if meta.Key == "" {
		meta.Key = "fresh:" + uuid.NewString()
	}
	meta.NewID = command.KeyedIDs(meta.Actor, meta.Key)
	if w.Match == "" || w.Match == "*" {
		return meta, nil
	}
	version, err := strconv.ParseInt(strings.Trim(w.Match, `"`), 10, 64)
	if err != nil || version < 0 {
		p := guard.NewProblem(ctx, http.StatusUnprocessableEntity, "invalid_input", "the input is not valid")
		p.Errors = []guard.ProblemField{{Location: "header.If-Match", Message: "is not a version"}}
		return meta, p
	}
	meta.ExpectedVersion = &version
	return meta, nil
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
	fields.Add(field, "there is no %s %q", field, value)
	return fields.Err()
}

func (e *edge) writeOperations(api huma.API) {
	put := func(path, id, tag, summary string) operation {
		return operation{method: http.MethodPut, path: path, id: id, tag: tag, summary: summary, access: guard.Staff}
	}
	post := func(path, id, tag, summary string) operation {
		return operation{method: http.MethodPost, path: path, id: id, tag: tag, summary: summary, access: guard.Staff, status: http.StatusCreated}
	}
	serve(e, api, post("/exporters", "register-exporter", "network", "Register an exporter"), e.registerExporter)
	serve(e, api, put("/exporters/{name}", "change-exporter", "network", "Change an exporter's settings, whole"), e.changeExporter)
	serve(e, api, post("/plans", "create-plan", "catalog", "Create a plan"), e.createPlan)
	serve(e, api, put("/plans/{name}", "change-plan", "catalog", "Change a plan's terms, whole, and those of its running cycles"), e.changePlan)
	serve(e, api, post("/customers", "register-customer", "identity", "Register a customer"), e.registerCustomer)
	serve(e, api, put("/customers/{email}", "change-customer", "identity", "Change a customer's name"), e.changeCustomer)
	serve(e, api, post("/services", "create-service", "services", "Create a service with its prefixes, and open its cycle"), e.createService)
	serve(e, api, put("/services/{id}", "change-service-plan", "services", "Move a service to another plan"), e.changeServicePlan)
	serve(e, api, post("/services/{id}/prefixes", "assign-prefix", "services", "Give a service a prefix"), e.assignPrefix)
	release := post("/services/{id}/prefixes/release", "release-prefix", "services", "Take a prefix from a service")
	release.status = http.StatusOK
	serve(e, api, release, e.releasePrefix)
	serve(e, api, post("/prefix-moves", "move-prefix", "services", "Move a prefix from one service to another at one instant"), e.movePrefix)
}

// ExporterSettings are an exporter without its name.
type ExporterSettings struct {
	Source      string `json:"source" doc:"CIDR of the UDP source addresses it may send from" example:"192.0.2.1/32"`
	Agent       string `json:"agent,omitempty" doc:"sFlow agent address; absent: any agent of that source"`
	CountPolicy string `json:"count_policy,omitempty" enum:"ingress,egress,both" doc:"Absent: ingress"`
	RateMin     int64  `json:"rate_min,omitempty" minimum:"1" maximum:"4294967295" doc:"Lowest sampling rate to believe; absent: 1"`
	RateMax     int64  `json:"rate_max,omitempty" minimum:"1" maximum:"4294967295" doc:"Highest sampling rate to believe; absent: 1000000"`
}

// ExporterBody is a new exporter.
type ExporterBody struct {
	Name string `json:"name"`
	ExporterSettings
}

func (s ExporterSettings) named(name string) bandwidth.Settings {
	return bandwidth.Settings{ExporterName: name, Source: s.Source, Agent: s.Agent, CountPolicy: s.CountPolicy, RateMin: s.RateMin, RateMax: s.RateMax}
}

func (e *edge) registerExporter(ctx context.Context, in *struct {
	Write
	Body ExporterBody
}) (Reference, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	done, err := command.Run(ctx, e.Commands, meta, bandwidth.RegisterExporter{ExporterID: meta.NewID(), Settings: in.Body.named(in.Body.Name)})
	return Reference{ID: done.ExporterID, Name: in.Body.Name}, err
}

func (e *edge) changeExporter(ctx context.Context, in *struct {
	Write
	Name string `path:"name" maxLength:"200" doc:"Name or id"`
	Body ExporterSettings
}) (Reference, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	found, err := read.FindExporter(ctx, e.Postgres, in.Name, meta.Now)
	if err != nil {
		return Reference{}, err
	}
	_, err = command.Run(ctx, e.Commands, meta, bandwidth.ChangeExporter{ExporterID: found.ID, Settings: in.Body.named(found.Name)})
	return Reference{ID: found.ID, Name: found.Name}, err
}

// CustomerBody is a new customer.
type CustomerBody struct {
	Email string `json:"email" maxLength:"254"`
	Name  string `json:"name"`
}

// CustomerSettings are what can change of a customer.
type CustomerSettings struct {
	Name string `json:"name"`
}

func (e *edge) registerCustomer(ctx context.Context, in *struct {
	Write
	Body CustomerBody
}) (Reference, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	c := identity.RegisterCustomer{CustomerID: meta.NewID(), Email: in.Body.Email, CustomerName: in.Body.Name}
	done, err := command.Run(ctx, e.Commands, meta, c)
	return Reference{ID: done.CustomerID, Name: in.Body.Name}, err
}

func (e *edge) changeCustomer(ctx context.Context, in *struct {
	Write
	Email string `path:"email" maxLength:"254" doc:"Mail address or id"`
	Body  CustomerSettings
}) (Reference, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	found, err := whois.FindCustomer(ctx, e.Postgres, query.Staff(), in.Email)
	if err != nil {
		return Reference{}, err
	}
	_, err = command.Run(ctx, e.Commands, meta, identity.ChangeCustomer{CustomerID: found.ID, CustomerName: in.Body.Name})
	return Reference{ID: found.ID, Name: in.Body.Name}, err
}

// PrefixBody gives a service a prefix for a time.
type PrefixBody struct {
	Prefix string     `json:"prefix" example:"10.20.0.1/32"`
	From   *time.Time `json:"from,omitempty" doc:"Absent: now"`
	To     *time.Time `json:"to,omitempty" doc:"Exclusive; absent: for good"`
}

// ReleaseBody takes a prefix away.
type ReleaseBody struct {
	Prefix   string     `json:"prefix" example:"10.20.0.1/32"`
	At       *time.Time `json:"at,omitempty" doc:"Absent: now"`
	Corrects bool       `json:"corrects,omitempty" doc:"Allows a time more than five minutes back although usage was counted since: an operator will have it metered anew"`
}

// MoveBody moves a prefix.
type MoveBody struct {
	Prefix      string     `json:"prefix" example:"10.20.0.1/32"`
	FromService string     `json:"from_service" doc:"Id or name"`
	ToService   string     `json:"to_service" doc:"Id or name"`
	At          *time.Time `json:"at,omitempty" doc:"Absent: now"`
	Corrects    bool       `json:"corrects,omitempty" doc:"Allows a time more than five minutes back although usage was counted since: an operator will have it metered anew"`
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func (e *edge) assignPrefix(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body PrefixBody
}) (bandwidth.Assigned, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	service, err := e.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	c := bandwidth.AssignPrefix{AssignmentID: meta.NewID(), ServiceID: service.ID, Prefix: in.Body.Prefix, From: orZero(in.Body.From), To: in.Body.To}
	return command.Run(ctx, e.Commands, meta, c)
}

func (e *edge) releasePrefix(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body ReleaseBody
}) (bandwidth.Assigned, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	service, err := e.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	return command.Run(ctx, e.Commands, meta, bandwidth.ReleasePrefix{
		ServiceID: service.ID, Prefix: in.Body.Prefix, At: orZero(in.Body.At), Corrects: in.Body.Corrects,
	})
}

func (e *edge) movePrefix(ctx context.Context, in *struct {
	Write
	Body MoveBody
}) (bandwidth.Assigned, error) {
	meta, err := e.meta(ctx, in.Write)
	if err != nil {
		return bandwidth.Assigned{}, err
	}
	from, err := e.service(ctx, in.Body.FromService)
	if err != nil {
		return bandwidth.Assigned{}, notFoundAs(err, "from_service", in.Body.FromService)
	}
	to, err := e.service(ctx, in.Body.ToService)
	if err != nil {
		return bandwidth.Assigned{}, notFoundAs(err, "to_service", in.Body.ToService)
	}
	c := bandwidth.MovePrefix{AssignmentID: meta.NewID(), Prefix: in.Body.Prefix, FromServiceID: from.ID, ToServiceID: to.ID,
		At: orZero(in.Body.At), Corrects: in.Body.Corrects}
	moved, err := command.Run(ctx, e.Commands, meta, c)
	return moved, inBody(err, "from_service_id", "from_service", "to_service_id", "to_service")
}
