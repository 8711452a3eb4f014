package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/command"
	identitycmd "github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/access"
	"github.com/ezscale/platform/query/identity"
)

// developmentLogin is how long a development session lasts, used or not.
const developmentLogin = 12 * time.Hour

// developmentStaff is who the development login is on the admin site.
const developmentStaff = "staff@localhost.localdomain"

// DevelopmentLogin chooses who to be on the account site; on the admin site it is empty.
type DevelopmentLogin struct {
	Customer string `json:"customer,omitempty" maxLength:"254" doc:"Id or mail address; absent: the first one by mail address"`
}

// developmentSession opens a session without any proof, for this machine only. It is a session like every other. The
// person is made if there is none yet.
func (e *edge) developmentSession(ctx context.Context, in *struct{ Body DevelopmentLogin }) (*session.Output, error) {
	if !guard.IsLocal(ctx) {
		return nil, notLocal(ctx)
	}
	site, err := guard.NeedSite(ctx)
	if err != nil {
		return nil, err
	}
	var person uuid.UUID
	var customer *uuid.UUID
	if site == guard.SiteAdmin {
		person, err = e.developmentPerson(ctx, site, developmentStaff, "Staff", "admin")
	} else {
		person, customer, err = e.developmentOwner(ctx, in.Body.Customer)
	}
	if err != nil {
		return nil, err
	}
	return e.sessions().Open(ctx, session.Opening{Site: site, Person: person, Customer: customer,
		Factors: []string{guard.FactorDevelopment}, Lifetime: developmentLogin, Idle: developmentLogin, Actor: guard.ActorOf(ctx)})
}

// developmentAccounts lists who one can be, for the same machine.
func (e *edge) developmentAccounts(ctx context.Context, in *struct {
	Search string `query:"q" maxLength:"200" doc:"Part of a name or mail address"`
}) (query.List[identity.Customer], error) {
	if !guard.IsLocal(ctx) {
		return query.List[identity.Customer]{}, notLocal(ctx)
	}
	// A page elsewhere can give this machine a name of its own, and be let in by the browser.
	if _, err := guard.NeedSite(ctx, guard.SiteAccount); err != nil {
		return query.List[identity.Customer]{}, err
	}
	return identity.ListCustomers(ctx, e.Background, query.Staff(), in.Search, query.Page{Limit: 100})
}

func notLocal(ctx context.Context) *problem.Problem {
	return problem.New(ctx, http.StatusForbidden, "not_local",
		"the development login has no password and is only for a browser on the machine that serves it; come through a tunnel (ssh -L)")
}

// developmentOwner finds an owner of the account, or makes one.
func (e *edge) developmentOwner(ctx context.Context, reference string) (uuid.UUID, *uuid.UUID, error) {
	customer, err := e.loginCustomer(ctx, reference)
	if err != nil {
		return uuid.Nil, nil, err
	}
	members, err := identity.ListMembers(ctx, e.Background, query.Staff(), customer.ID)
	if err != nil {
		return uuid.Nil, nil, err
	}
	if len(members) > 0 {
		return members[0].PersonID, &customer.ID, nil
	}
	person, err := e.developmentPerson(ctx, guard.SiteAccount, customer.Email, customer.Name)
	if err != nil {
		return uuid.Nil, nil, err
	}
	join := membership.Change{CustomerID: customer.ID, PersonID: person, Rights: permission.Owner, At: e.MachineNow()}
	_, err = command.Run(ctx, e.Commands, e.meta(ctx), join)
	return person, &customer.ID, err
}

func (e *edge) loginCustomer(ctx context.Context, reference string) (identity.Customer, error) {
	if reference != "" {
		return identity.FindCustomer(ctx, e.Background, query.Staff(), reference)
	}
	first, err := identity.ListCustomers(ctx, e.Background, query.Staff(), "", query.Page{Limit: 1})
	if err == nil && len(first.Items) == 0 {
		err = fault.New(fault.NotFound, "customer_not_found", "there is no customer yet")
	}
	if err != nil {
		return identity.Customer{}, err
	}
	return first.Items[0], nil
}

func (e *edge) developmentPerson(ctx context.Context, site guard.Site, email, name string, roles ...string) (uuid.UUID, error) {
	found, err := access.FindCredentials(ctx, e.Door, string(site), email)
	if !fault.Is(err, fault.NotFound) {
		return found.PersonID, err
	}
	register := identitycmd.RegisterPerson{PersonID: uuid.New(), Site: string(site), Email: email, PersonName: name, Verified: true, Roles: roles}
	if _, err = command.Run(ctx, e.Commands, e.meta(ctx), register); fault.Is(err, fault.Conflict) { // another window was faster
		found, err = access.FindCredentials(ctx, e.Door, string(site), email)
		return found.PersonID, err
	}
	return register.PersonID, err
}
