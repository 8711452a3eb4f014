package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/bandwidth"
	"github.com/ezscale/platform/query/billing"
	"github.com/ezscale/platform/query/catalog"
	"github.com/ezscale/platform/query/identity"
	"github.com/ezscale/platform/query/provisioning"
	"github.com/ezscale/platform/query/reports"
)

// PageInput cuts a list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Items of a page"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the page before"`
}

func (p PageInput) page() query.Page { return query.Page{Limit: p.Limit, Cursor: p.Cursor} }

// ServiceDetail is a service with the cycle that is running.
type ServiceDetail struct {
	provisioning.Service
	Cycle *billing.CycleSummary `json:"cycle,omitempty" doc:"The running billing cycle"`
}

type ServiceInput struct {
	ID string `path:"id" maxLength:"200" doc:"Id or name"`
}

type usageInput struct {
	ServiceInput
	From  time.Time `query:"from" doc:"Absent: an hour before to"`
	To    time.Time `query:"to" doc:"Exclusive; absent: now"`
	Step  string    `query:"step" enum:"10s,1m,5m,1h,1d" doc:"Absent: the finest that gives at most 720 points"`
	Unit  string    `query:"unit" enum:"bytes,bit/s" default:"bytes" doc:"Bytes of each step, or their mean rate"`
	Basis string    `query:"basis" enum:"l2,l3" default:"l2"`
}

type totalsInput struct {
	Service []string  `query:"service,explode" doc:"Names; absent: every service"`
	All     bool      `query:"all" doc:"Every service, said aloud"`
	From    time.Time `query:"from" doc:"A whole hour; absent: from the first"`
	To      time.Time `query:"to" doc:"A whole hour, exclusive; absent: to the last"`
}

func (e *edge) serviceOperations(t route.Table) {
	const tag = "services"
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/services", ID: "list-services", Tag: tag, Summary: "Services by name, with their running cycles", Access: guard.May(permission.ServicesRead)}, e.listServices)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/services/{id}", ID: "get-service", Tag: tag, Summary: "A service and its running cycle", Access: guard.May(permission.ServicesRead)}, e.getService)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/services/{id}/usage", ID: "get-service-usage", Tag: tag, Summary: "Graph of a service's traffic", Access: guard.May(permission.ServicesRead)}, e.getUsage)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/services/{id}/cycles", ID: "list-service-cycles", Tag: tag, Summary: "Billing cycles, newest first", Access: guard.May(permission.ServicesRead)},
		func(ctx context.Context, in *struct {
			ServiceInput
			PageInput
		}) (query.List[billing.CycleSummary], error) {
			service, err := e.service(ctx, in.ID)
			if err != nil {
				return query.List[billing.CycleSummary]{}, err
			}
			return billing.ListCycles(ctx, e.Postgres, guard.ScopeOf(ctx), service.ID, e.Clock.Now(), in.page())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/services/{id}/alerts", ID: "list-service-alerts", Tag: tag, Summary: "Quota alerts of a service, newest first", Access: guard.May(permission.ServicesRead)},
		func(ctx context.Context, in *struct {
			ServiceInput
			PageInput
		}) (query.List[bandwidth.Alert], error) {
			service, err := e.service(ctx, in.ID)
			if err != nil {
				return query.List[bandwidth.Alert]{}, err
			}
			return bandwidth.ListAlerts(ctx, e.Postgres, guard.ScopeOf(ctx), &service.ID, in.page())
		})
	e.liveOperation(t)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/usage", ID: "list-usage", Tag: tag, Summary: "Exact totals per service, from the billing counters", Access: guard.May(permission.ReportsRead)}, e.getTotals)
}

func (e *edge) service(ctx context.Context, reference string) (provisioning.Service, error) {
	return provisioning.FindService(ctx, e.Postgres, guard.ScopeOf(ctx), reference, e.Clock.Now())
}

func (e *edge) getService(ctx context.Context, in *ServiceInput) (ServiceDetail, error) {
	found, err := e.service(ctx, in.ID)
	if err != nil {
		return ServiceDetail{}, err
	}
	services, err := e.withCycles(ctx, []provisioning.Service{found})
	if err != nil {
		return ServiceDetail{}, err
	}
	return services[0], nil
}

type servicesInput struct {
	PageInput
	Customer string `query:"customer" maxLength:"254" doc:"Id or mail address"`
	Search   string `query:"q" maxLength:"200" doc:"Part of a name or mail address, or the beginning of a prefix"`
}

func (e *edge) listServices(ctx context.Context, in *servicesInput) (query.List[ServiceDetail], error) {
	filter := provisioning.ServiceFilter{Customer: in.Customer, Search: in.Search}
	found, err := provisioning.ListServices(ctx, e.Postgres, guard.ScopeOf(ctx), filter, e.Clock.Now(), in.page())
	if err != nil {
		return query.List[ServiceDetail]{}, err
	}
	services, err := e.withCycles(ctx, found.Items)
	return query.List[ServiceDetail]{Items: services, NextCursor: found.NextCursor}, err
}

// withCycles adds the running cycle of each service, by one question for all of them.
func (e *edge) withCycles(ctx context.Context, found []provisioning.Service) ([]ServiceDetail, error) {
	ids := make([]uuid.UUID, len(found))
	for i, service := range found {
		ids[i] = service.ID
	}
	cycles, err := billing.CurrentCycles(ctx, e.Postgres, ids, e.Clock.Now())
	if err != nil {
		return nil, err
	}
	services := make([]ServiceDetail, len(found))
	for i, service := range found {
		services[i] = ServiceDetail{Service: service}
		if cycle, ok := cycles[service.ID]; ok {
			services[i].Cycle = &cycle
		}
	}
	return services, nil
}

func (e *edge) getUsage(ctx context.Context, in *usageInput) (bandwidth.Series, error) {
	service, err := e.service(ctx, in.ID)
	if err != nil {
		return bandwidth.Series{}, err
	}
	request := bandwidth.SeriesRequest{Service: service.ID, From: in.From, To: in.To, Step: in.Step, Unit: in.Unit, Basis: in.Basis}
	return bandwidth.UsageSeries(ctx, bandwidth.Sources{Postgres: e.Postgres, ClickHouse: e.ClickHouse}, request, e.Clock.Now())
}

func (e *edge) getTotals(ctx context.Context, in *totalsInput) (query.List[bandwidth.UsageTotal], error) {
	totals, err := bandwidth.UsageTotals(ctx, e.Postgres, guard.ScopeOf(ctx), in.Service, orNil(in.From), orNil(in.To))
	return query.List[bandwidth.UsageTotal]{Items: totals}, err
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (e *edge) billingOperations(t route.Table) {
	const tag = "billing"
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/alerts", ID: "list-alerts", Tag: tag, Summary: "Quota alerts of all services, newest first; a customer's own for a customer", Access: guard.May(permission.ServicesRead)},
		func(ctx context.Context, in *PageInput) (query.List[bandwidth.Alert], error) {
			return bandwidth.ListAlerts(ctx, e.Postgres, guard.ScopeOf(ctx), nil, in.page())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/invoices", ID: "list-invoices", Tag: tag, Summary: "Invoices and credit notes, newest first", Access: guard.May(permission.InvoicesRead)},
		func(ctx context.Context, in *struct {
			PageInput
			Customer string `query:"customer" maxLength:"254" doc:"Id or mail address"`
			Service  string `query:"service" maxLength:"200" doc:"Id or name"`
		}) (query.List[billing.InvoiceSummary], error) {
			return billing.ListInvoices(ctx, e.Postgres, guard.ScopeOf(ctx), billing.InvoiceFilter{Customer: in.Customer, Service: in.Service}, in.page())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/invoices/{id}", ID: "get-invoice", Tag: tag, Summary: "An invoice with its lines and their evidence", Access: guard.May(permission.InvoicesRead)},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"200" doc:"Id or number"`
		}) (billing.Invoice, error) {
			return billing.FindInvoice(ctx, e.Postgres, guard.ScopeOf(ctx), in.ID)
		})
}

func (e *edge) networkOperations(t route.Table) {
	const tag = "network"
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/exporters", ID: "list-exporters", Tag: tag, Summary: "Exporters with their health", Access: guard.May(permission.NetworkRead)},
		func(ctx context.Context, in *PageInput) (query.List[bandwidth.Exporter], error) {
			return bandwidth.ListExporters(ctx, e.Postgres, e.Clock.Now(), in.page())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/exporters/{id}", ID: "get-exporter", Tag: tag, Summary: "An exporter with its last 24 hours", Access: guard.May(permission.NetworkRead)},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"200" doc:"Id or name"`
		}) (bandwidth.ExporterDetail, error) {
			return bandwidth.FindExporter(ctx, e.Postgres, in.ID, e.Clock.Now())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/collectors", ID: "list-collectors", Tag: tag, Summary: "Collectors and what they could not hold", Access: guard.May(permission.NetworkRead)},
		func(ctx context.Context, _ *struct{}) (query.List[bandwidth.Collector], error) {
			return bandwidth.ListCollectors(ctx, e.Postgres)
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/exporters/{id}/ports/{if_index}", ID: "get-port", Tag: tag, Summary: "A port, and the service it bills", Access: guard.May(permission.NetworkRead)},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"200" doc:"Id or name of the exporter"`
			Port int64  `path:"if_index" minimum:"1" maximum:"4294967295" doc:"ifIndex of the port"`
		}) (reports.PortDetail, error) {
			return reports.FindPort(ctx, e.Postgres, in.ID, in.Port, e.Clock.Now())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/unattributed", ID: "list-unattributed", Tag: tag, Summary: "Traffic of addresses that no service owns, the biggest first", Access: guard.May(permission.NetworkRead)},
		func(ctx context.Context, in *struct {
			Hours int `query:"hours" minimum:"1" maximum:"744" default:"24" doc:"How far back from now"`
			Limit int `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Rows at most"`
		}) (query.List[bandwidth.Unattributed], error) {
			return bandwidth.ListUnattributed(ctx, e.Postgres, in.Hours, e.Clock.Now(), in.Limit)
		})
}

func (e *edge) catalogOperations(t route.Table) {
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/plans", ID: "list-plans", Tag: "catalog", Summary: "Plans by name", Access: guard.May(permission.CatalogRead)},
		func(ctx context.Context, in *PageInput) (query.List[query.Plan], error) {
			return catalog.ListPlans(ctx, e.Postgres, in.page())
		})
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/customers", ID: "list-customers", Tag: "identity", Summary: "Customers by mail address", Access: guard.May(permission.CustomersRead)},
		func(ctx context.Context, in *struct {
			PageInput
			Search string `query:"q" maxLength:"200" doc:"Part of a name or mail address"`
		}) (query.List[identity.Customer], error) {
			return identity.ListCustomers(ctx, e.Postgres, guard.ScopeOf(ctx), in.Search, in.page())
		})
}
