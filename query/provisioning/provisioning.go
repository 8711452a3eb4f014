// Package provisioning answers which services there are, whose they are, and which prefixes they have had.
package provisioning

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Service is one thing a customer has: a virtual machine, a server, a rack. Its prefixes are those that belong
// to it now or will, by address.
type Service struct {
	ID       uuid.UUID       `json:"id" format:"uuid"`
	Name     string          `json:"name"`
	Customer ServiceCustomer `json:"customer"`
	Plan     query.Plan      `json:"plan" db:"-"`
	Since    time.Time       `json:"since"`
	Prefixes []Prefix        `json:"prefixes" nullable:"false"`
	Ports    []BoundPort     `json:"ports,omitempty" doc:"Whose counters bill it, now or from some time on; for staff"`
	Version  int64           `json:"version" doc:"Give it as If-Match to change only what you have seen"`
}

// ServiceCustomer is whose a service is.
type ServiceCustomer struct {
	ID    uuid.UUID `json:"id" format:"uuid"`
	Name  string    `json:"name"`
	Email string    `json:"email"`
}

// Prefix is an address range that belongs to a service from a time on.
type Prefix struct {
	Prefix     string     `json:"prefix" doc:"CIDR"`
	From       time.Time  `json:"from"`
	To         *time.Time `json:"to,omitempty" doc:"Exclusive; absent while it lasts"`
	Attachment *string    `json:"attachment,omitempty" doc:"Name of the only exporter that counts its traffic; absent: each does; for staff"`
}

// BoundPort is a port of an exporter that is the service's alone from a time on.
type BoundPort struct {
	Exporter string     `json:"exporter"`
	IfIndex  int64      `json:"if_index"`
	From     time.Time  `json:"from"`
	To       *time.Time `json:"to,omitempty" doc:"Exclusive; absent while it lasts"`
}

// ServiceFilter narrows a list of services. Empty fields keep all.
type ServiceFilter struct {
	Customer string // id or mail address
	Search   string // part of a service's name, its customer's name or address, or the beginning of a prefix it has or had
}

//go:embed list_services.sql
var listServicesSQL string

//go:embed find_service.sql
var findServiceSQL string

// ListServices lists the services in scope by name, as of now.
func ListServices(ctx context.Context, db query.Postgres, scope query.Scope, filter ServiceFilter, now time.Time, page query.Page) (query.List[Service], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[Service]{}, err
	}
	rows, err := query.All[serviceRow](ctx, db, listServicesSQL, scope.Owner(), filter.Customer, filter.Search, now, after, page.Rows())
	if err != nil {
		return query.List[Service]{}, err
	}
	services := make([]Service, len(rows))
	for i, row := range rows {
		if services[i], err = row.service(); err != nil {
			return query.List[Service]{}, err
		}
	}
	return query.Cut(page, services, func(s Service) []string { return []string{s.Name} }), nil
}

// FindService finds a service in scope by id or name, with its prefixes as of now. Errors: NotFound, also for
// what is another's.
func FindService(ctx context.Context, db query.Postgres, scope query.Scope, reference string, now time.Time) (Service, error) {
	row, err := query.One[serviceRow](ctx, db, "service", findServiceSQL, scope.Owner(), reference, now)
	if err != nil {
		return Service{}, err
	}
	return row.service()
}

// serviceRow is a service as its columns give it.
type serviceRow struct {
	Service
	query.PlanRow
}

func (r serviceRow) service() (Service, error) {
	s := r.Service
	var err error
	s.Plan, err = r.PlanRow.Plan()
	return s, err
}
