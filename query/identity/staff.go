package identity

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Staff is somebody who works here.
type Staff struct {
	PersonID      uuid.UUID  `json:"person_id" format:"uuid"`
	Email         string     `json:"email"`
	Name          string     `json:"name"`
	Status        string     `json:"status" enum:"active,suspended,banned"`
	Roles         []string   `json:"roles" nullable:"false"`
	Enrolled      bool       `json:"enrolled" doc:"Has set a password"`
	SecondFactor  bool       `json:"second_factor" doc:"Has a passkey or an authenticator: without one nothing but setting it up is allowed"`
	InvitedUntil  *time.Time `json:"invited_until,omitempty" doc:"An enrolment link is under way, and works until then"`
	SeenAt        *time.Time `json:"seen_at,omitempty" doc:"Last seen; absent: never signed in"`
	CreatedAt     time.Time  `json:"created_at"`
	Administrator bool       `json:"administrator" doc:"Can give roles: somebody who can always stays"`
}

//go:embed list_staff.sql
var listStaffSQL string

// ListStaff lists who works here by mail address. Links are told that work at now, by the machine's clock.
func ListStaff(ctx context.Context, db query.Postgres, now time.Time, page query.Page) (query.List[Staff], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[Staff]{}, err
	}
	rows, err := query.All[Staff](ctx, db, listStaffSQL, now, after, page.Rows(), nil)
	if err != nil {
		return query.List[Staff]{}, err
	}
	return query.Cut(page, rows, func(s Staff) []string { return []string{s.Email} }), nil
}

// FindStaff finds one of them by id. Errors: NotFound.
func FindStaff(ctx context.Context, db query.Postgres, now time.Time, id uuid.UUID) (Staff, error) {
	return query.One[Staff](ctx, db, "staff", listStaffSQL, now, nil, 1, id)
}

const staffNamesSQL = `select id, name from person where site = 'admin' and id = any($1)`

// StaffNames gives the names of some of the staff.
func StaffNames(ctx context.Context, db query.Postgres, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := query.All[struct {
		ID   uuid.UUID
		Name string
	}](ctx, db, staffNamesSQL, ids)
	names := make(map[uuid.UUID]string, len(rows))
	for _, row := range rows {
		names[row.ID] = row.Name
	}
	return names, err
}

// Role is a role of staff.
type Role struct {
	ID          uuid.UUID `json:"id" format:"uuid"`
	Name        string    `json:"name"`
	Permissions []string  `json:"permissions" nullable:"false" doc:"* stands for all, those of later versions included"`
	People      int       `json:"people" doc:"How many have it"`
	Fixed       bool      `json:"fixed" doc:"It cannot be changed or deleted"`
}

//go:embed list_roles.sql
var listRolesSQL string

// ListRoles lists the roles by name. There are few.
func ListRoles(ctx context.Context, db query.Postgres) ([]Role, error) {
	return query.All[Role](ctx, db, listRolesSQL, nil)
}

// FindRole finds a role by name. Errors: NotFound.
func FindRole(ctx context.Context, db query.Postgres, name string) (Role, error) {
	return query.One[Role](ctx, db, "role", listRolesSQL, name)
}

// Impersonation is a time in which one of the staff looked at an account as one of its people.
type Impersonation struct {
	SessionID      uuid.UUID  `json:"session_id" format:"uuid"`
	ImpersonatorID uuid.UUID  `json:"impersonator_id" format:"uuid"`
	Impersonator   string     `json:"impersonator" doc:"Their name"`
	PersonID       uuid.UUID  `json:"person_id" format:"uuid"`
	Person         string     `json:"person" doc:"Their name"`
	CustomerID     uuid.UUID  `json:"customer_id" format:"uuid"`
	Customer       string     `json:"customer" doc:"The account's name"`
	Reason         string     `json:"reason" doc:"After the ticket, if one was named"`
	Write          bool       `json:"write" doc:"They could change things, too"`
	OpenedAt       time.Time  `json:"opened_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	EndedAt        *time.Time `json:"ended_at,omitempty" doc:"Ended before it expired"`
}

//go:embed list_impersonations.sql
var listImpersonationsSQL string

// ImpersonationFilter narrows the list. Zero fields keep all.
type ImpersonationFilter struct {
	Impersonator uuid.UUID
	Person       uuid.UUID
	Customer     string // id or mail address
	From, To     time.Time
	Open         bool // now
}

// ListImpersonations lists them, newest first. Now is the machine's time.
func ListImpersonations(ctx context.Context, db query.Postgres, f ImpersonationFilter, now time.Time, page query.Page) (query.List[Impersonation], error) {
	at, id, err := page.TimeAfter()
	if err != nil {
		return query.List[Impersonation]{}, err
	}
	rows, err := query.All[Impersonation](ctx, db, listImpersonationsSQL, at, id, page.Rows(), known(f.Impersonator), known(f.Person), f.Customer, instant(f.From), instant(f.To), f.Open, now)
	if err != nil {
		return query.List[Impersonation]{}, err
	}
	return query.Cut(page, rows, func(i Impersonation) []string { return query.TimeKey(i.OpenedAt, i.SessionID.String()) }), nil
}

// known is null for the id of nobody.
func known(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// instant is null for no time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

//go:embed find_impersonable.sql
var findImpersonableSQL string

// Impersonable is a person whom staff may be in an account.
type Impersonable struct {
	PersonID   uuid.UUID
	CustomerID uuid.UUID
}

// FindImpersonable finds an active person of an account that is not banned. Errors: NotFound.
func FindImpersonable(ctx context.Context, db query.Postgres, person, customer uuid.UUID) (Impersonable, error) {
	return query.One[Impersonable](ctx, db, "person", findImpersonableSQL, person, customer)
}
