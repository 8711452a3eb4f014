package writes

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/catalog"
	"github.com/ezscale/platform/command/provisioning"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/money"
	"github.com/ezscale/platform/query"
	sale "github.com/ezscale/platform/query/catalog"
	whois "github.com/ezscale/platform/query/identity"
)

// PlanTerms are a plan without its name.
type PlanTerms struct {
	Price      query.Money    `json:"price"`
	Interval   string         `json:"interval,omitempty" enum:"month,quarter,year" doc:"Absent: month"`
	QuotaBytes int64          `json:"quota_bytes,omitempty" minimum:"1" doc:"Absent: no quota"`
	ByteBasis  string         `json:"byte_basis,omitempty" enum:"l2,l3" doc:"Absent: l2"`
	Direction  string         `json:"direction,omitempty" enum:"sum,in,out,max" doc:"Absent: sum"`
	BillAt     string         `json:"bill_at,omitempty" enum:"estimate,lower_bound" doc:"lower_bound: the estimate less its 95 % error bound; absent: estimate"`
	Thresholds []int          `json:"thresholds,omitempty" doc:"Percent of the quota, ascending; absent: 75, 90, 100"`
	Overage    *query.Overage `json:"overage,omitempty" doc:"Absent: overage is free"`
}

// PlanBody is a new plan.
type PlanBody struct {
	Name string `json:"name"`
	PlanTerms
}

// ServiceBody is a new service.
type ServiceBody struct {
	Name     string        `json:"name"`
	Customer string        `json:"customer" doc:"Mail address or id"`
	Plan     string        `json:"plan" doc:"Name or id"`
	Since    *time.Time    `json:"since,omitempty" doc:"Cut to its whole hour; anchors the billing cycles; absent: now"`
	Prefixes []PrefixInput `json:"prefixes,omitempty" maxItems:"1000" doc:"CIDR; they belong to the service from since on"`
}

// ServiceSettings are what can change of a service.
type ServiceSettings struct {
	Plan string `json:"plan" doc:"Name or id"`
}

// terms turns decimals into what the command takes.
func (t PlanTerms) terms(name string) (catalog.Terms, error) {
	var fields fault.Fields
	terms := catalog.Terms{PlanName: name, Currency: t.Price.Currency, Interval: t.Interval, QuotaBytes: t.QuotaBytes,
		ByteBasis: t.ByteBasis, Direction: t.Direction, BillAt: t.BillAt, Thresholds: t.Thresholds}
	if terms.Interval == "" {
		terms.Interval = "month"
	}
	if currency, err := money.ParseCurrency(t.Price.Currency); err != nil {
		fields.Add("price.currency", "%q is not an ISO 4217 currency in use", t.Price.Currency)
	} else if amount, err := money.Parse(t.Price.Amount, currency); err != nil {
		fields.Add("price.amount", "%q is not an amount with the %d decimal places of %s", t.Price.Amount, currency.Exponent(), currency)
	} else {
		terms.PriceMinor = amount.Minor()
	}
	if t.Overage != nil {
		fields.Check(t.Overage.UnitBytes > 0, "overage.unit_bytes", "must be above 0")
		terms.OverageUnitBytes, terms.OverageUnitPrice = t.Overage.UnitBytes, t.Overage.UnitPrice
	}
	return terms, fields.Err()
}

// inPlan names the fields of a plan's fault as its body does.
func inPlan(err error) error {
	return inBody(err, "price_minor", "price.amount", "currency", "price.currency", "overage_unit_bytes", "overage.unit_bytes", "overage_unit_price", "overage.unit_price")
}

// CreatePlan creates a plan.
func (o Orders) CreatePlan(ctx context.Context, in *struct {
	Write
	Body PlanBody
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	terms, err := in.Body.terms(in.Body.Name)
	if err != nil {
		return Reference{}, err
	}
	done, err := command.Run(ctx, o.Commands, meta, catalog.CreatePlan{PlanID: meta.NewID(), Terms: terms})
	return Reference{ID: done.PlanID, Name: in.Body.Name}, inPlan(err)
}

// ChangePlan changes a plan's terms, whole.
func (o Orders) ChangePlan(ctx context.Context, in *struct {
	Write
	Name string `path:"name" maxLength:"200" doc:"Name or id"`
	Body PlanTerms
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	found, err := sale.FindPlan(ctx, o.Postgres, in.Name)
	if err != nil {
		return Reference{}, err
	}
	terms, err := in.Body.terms(found.Name)
	if err != nil {
		return Reference{}, err
	}
	_, err = command.Run(ctx, o.Commands, meta, catalog.ChangePlan{PlanID: found.ID, Terms: terms})
	return Reference{ID: found.ID, Name: found.Name}, inPlan(err)
}

// CreateService creates a service with its prefixes.
func (o Orders) CreateService(ctx context.Context, in *struct {
	Write
	Body ServiceBody
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	customer, err := whois.FindCustomer(ctx, o.Postgres, query.Staff(), in.Body.Customer)
	if err != nil {
		return Reference{}, notFoundAs(err, "customer", in.Body.Customer)
	}
	plan, err := sale.FindPlan(ctx, o.Postgres, in.Body.Plan)
	if err != nil {
		return Reference{}, notFoundAs(err, "plan", in.Body.Plan)
	}
	c := provisioning.CreateService{ServiceID: meta.NewID(), CycleID: meta.NewID(), ServiceName: in.Body.Name,
		CustomerID: customer.ID, PlanID: plan.ID, Since: orZero(in.Body.Since)}
	if c.Prefixes, err = o.assignments(ctx, meta, in.Body.Prefixes); err != nil {
		return Reference{}, err
	}
	done, err := command.Run(ctx, o.Commands, meta, c)
	return Reference{ID: done.ServiceID, Name: in.Body.Name}, inBody(err, "].prefix", "]", "customer_id", "customer", "plan_id", "plan")
}

// assignments looks up the exporters that prefixes are attached to, each once.
func (o Orders) assignments(ctx context.Context, meta command.Meta, inputs []PrefixInput) ([]provisioning.AssignmentInput, error) {
	var all []provisioning.AssignmentInput
	known := map[string]*uuid.UUID{"": nil}
	for i, input := range inputs {
		attachment, ok := known[input.Attachment]
		if !ok {
			var err error
			if attachment, err = o.attachment(ctx, fmt.Sprintf("prefixes[%d].attachment", i), input.Attachment); err != nil {
				return nil, err
			}
			known[input.Attachment] = attachment
		}
		all = append(all, provisioning.AssignmentInput{AssignmentID: meta.NewID(), Prefix: input.Prefix, AttachmentID: attachment})
	}
	return all, nil
}

// ChangeServicePlan moves a service to another plan.
func (o Orders) ChangeServicePlan(ctx context.Context, in *struct {
	Write
	ServiceInput
	Body ServiceSettings
}) (Reference, error) {
	meta, err := o.meta(ctx, in.Write)
	if err != nil {
		return Reference{}, err
	}
	service, err := o.service(ctx, in.ID)
	if err != nil {
		return Reference{}, err
	}
	plan, err := sale.FindPlan(ctx, o.Postgres, in.Body.Plan)
	if err != nil {
		return Reference{}, notFoundAs(err, "plan", in.Body.Plan)
	}
	_, err = command.Run(ctx, o.Commands, meta, provisioning.ChangeServicePlan{ServiceID: service.ID, PlanID: plan.ID})
	return Reference{ID: service.ID, Name: service.Name}, inBody(err, "plan_id", "plan")
}
