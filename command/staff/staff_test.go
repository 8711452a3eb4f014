package staff_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/command/internal/worldtest"
	staffcmd "github.com/ezscale/platform/command/staff"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
)

// enrol takes somebody in with roles, and gives the hash of their link's token.
func enrol(w *worldtest.World, email string, roles ...string) (person uuid.UUID, link uuid.UUID, hash secret.Hash) {
	w.Helper()
	hash = token.New(token.Session).Hash()
	done := worldtest.Must(w, staffcmd.EnrolStaff{PersonID: w.NewID(), Email: email, PersonName: "Somebody", Roles: roles,
		Link: staffcmd.Link{LinkID: w.NewID(), TokenHash: &hash, At: w.Now()}})
	return done.PersonID, done.LinkID, hash
}

func staff(w *worldtest.World, email string, roles ...string) uuid.UUID {
	w.Helper()
	person, _, _ := enrol(w, email, roles...)
	return person
}

func roleID(w *worldtest.World, name string) uuid.UUID {
	w.Helper()
	return worldtest.One[uuid.UUID](w, `select id from role where name = $1`, name)
}

func run[R any](w *worldtest.World, c command.Command[R]) error {
	_, err := command.Run(context.Background(), w.DB, w.Meta(), c)
	return err
}

func code(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestRoles(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	made := worldtest.Must(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "auditor", Permissions: []string{"audit.read"}})
	worldtest.Refused(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "auditor"}, fault.Conflict, "role_exists")
	worldtest.Must(w, staffcmd.ChangeRole{RoleID: made.RoleID, RoleName: "reviser", Permissions: []string{"audit.read", "staff.read"}})
	person := staff(w, "a@example.com", "reviser", "network")
	if got := worldtest.One[string](w, `select before::text || ' ' || after::text from audit where command = 'staff.ChangeRole'`); got !=
		`{"name": "auditor", "permissions": ["audit.read"]} {"name": "reviser", "permissions": ["audit.read", "staff.read"]}` {
		t.Errorf("the audit row says %s", got)
	}
	worldtest.Must(w, staffcmd.DeleteRole{RoleID: made.RoleID})
	if got := worldtest.One[string](w, `select string_agg(r.name, ' ') from person_role pr join role r on r.id = pr.role_id where person_id = $1`, person); got != "network" {
		t.Errorf("roles %s", got)
	}
	worldtest.Refused(w, staffcmd.DeleteRole{RoleID: made.RoleID}, fault.NotFound, "role_not_found")
	admin := roleID(w, "admin")
	worldtest.Refused(w, staffcmd.DeleteRole{RoleID: admin}, fault.Conflict, "role_is_fixed")
	worldtest.Refused(w, staffcmd.ChangeRole{RoleID: admin, RoleName: "root", Permissions: []string{"*"}}, fault.Conflict, "role_is_fixed")
	worldtest.Refused(w, staffcmd.ChangeRole{RoleID: roleID(w, "network"), RoleName: "billing"}, fault.Conflict, "role_exists")
	for field, c := range map[string]staffcmd.CreateRole{
		"role_id": {RoleName: "x"}, "name": {RoleID: uuid.New()}, "permissions": {RoleID: uuid.New(), RoleName: "x", Permissions: []string{"members.write"}},
	} {
		worldtest.CheckField(t, c.Validate(), field)
	}
	worldtest.CheckField(t, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "x", Permissions: []string{"*", "*"}}.Validate(), "permissions")
}

// Who may write staff and is no administrator can give what they have, and touch nobody who has more.
func TestNobodyGivesWhatHeHasNot(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	worldtest.Must(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "personnel", Permissions: []string{"staff.read", "staff.write", "services.read"}})
	worldtest.Must(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "reader", Permissions: []string{"services.read"}})
	root, clerk, other := staff(w, "root@example.com", "admin"), staff(w, "clerk@example.com", "personnel"), staff(w, "other@example.com")
	support, reader := roleID(w, "support"), roleID(w, "reader")
	by := &clerk
	link := func() staffcmd.Link { return staffcmd.Link{LinkID: w.NewID(), At: w.Now()} }
	for name, err := range map[string]error{
		"oneself an administrator":        run(w, staffcmd.SetRoles{PersonID: clerk, Roles: []string{"admin"}, By: by}),
		"another an administrator":        run(w, staffcmd.SetRoles{PersonID: other, Roles: []string{"admin"}, By: by}),
		"another a role beyond":           run(w, staffcmd.SetRoles{PersonID: other, Roles: []string{"reader", "support"}, By: by}),
		"a new one a role beyond":         run(w, staffcmd.EnrolStaff{PersonID: w.NewID(), Email: "x@example.com", PersonName: "X", Roles: []string{"network"}, Link: link(), By: by}),
		"an administrator no role":        run(w, staffcmd.SetRoles{PersonID: root, By: by}),
		"an administrator suspended":      run(w, staffcmd.SetStaffStatus{PersonID: root, Status: "suspended", At: w.Now(), By: by}),
		"an administrator another link":   run(w, staffcmd.RenewEnrolment{PersonID: root, Link: link(), By: by}),
		"a role of everything":            run(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "all", Permissions: []string{"*"}, By: by}),
		"a role of more":                  run(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "more", Permissions: []string{"services.read", "audit.read"}, By: by}),
		"one's own role more":             run(w, staffcmd.ChangeRole{RoleID: roleID(w, "personnel"), RoleName: "personnel", Permissions: []string{"staff.write", "audit.read"}, By: by}),
		"a role beyond reach less":        run(w, staffcmd.ChangeRole{RoleID: support, RoleName: "support", Permissions: []string{"services.read"}, By: by}),
		"a role beyond reach taken away":  run(w, staffcmd.DeleteRole{RoleID: support, By: by}),
		"a role everything, by its owner": run(w, staffcmd.ChangeRole{RoleID: reader, RoleName: "reader", Permissions: []string{"*"}, By: by}),
	} {
		if !fault.Is(err, fault.Forbidden) || code(err) != "beyond_own_permissions" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"a role of one's own": run(w, staffcmd.SetRoles{PersonID: other, Roles: []string{"reader", "personnel"}, By: by}),
		"less":                run(w, staffcmd.SetRoles{PersonID: other, Roles: []string{"reader"}, By: by}),
		"a new one":           run(w, staffcmd.EnrolStaff{PersonID: w.NewID(), Email: "y@example.com", PersonName: "Y", Roles: []string{"reader"}, Link: link(), By: by}),
		"a narrower role":     run(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "less", Permissions: []string{"staff.read"}, By: by}),
		"one within reach":    run(w, staffcmd.SetStaffStatus{PersonID: other, Status: "suspended", At: w.Now(), By: by}),
		"an administrator's":  run(w, staffcmd.SetRoles{PersonID: other, Roles: []string{"admin"}, By: &root}),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the orderer has lost since the request came in does not count any more.
	worldtest.Must(w, staffcmd.SetRoles{PersonID: clerk, Roles: []string{"reader"}, By: &root})
	worldtest.Refused(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "late", By: by}, fault.Forbidden, "not_allowed")
	worldtest.Must(w, staffcmd.SetRoles{PersonID: clerk, Roles: []string{"admin"}, By: &root})
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: clerk, Status: "suspended", At: w.Now(), By: &root})
	worldtest.Refused(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "late", By: by}, fault.Forbidden, "not_allowed")
	worldtest.Refused(w, staffcmd.SetRoles{PersonID: w.NewID(), By: &root}, fault.NotFound, "staff_not_found")
	if f := worldtest.Refused(w, staffcmd.SetRoles{PersonID: clerk, Roles: []string{"reader", "ghost"}, By: &root}, fault.Invalid, "invalid_input"); f.Fields[0].Message != "there is no role ghost" {
		t.Errorf("%v", f)
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	worldtest.Must(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "personnel", Permissions: []string{"staff.write"}})
	only := staff(w, "a@example.com", "personnel")
	personnel := roleID(w, "personnel")
	for name, err := range map[string]error{
		"loses the role":   run(w, staffcmd.SetRoles{PersonID: only, Roles: []string{"support"}}),
		"is suspended":     run(w, staffcmd.SetStaffStatus{PersonID: only, Status: "suspended", At: w.Now()}),
		"is banned":        run(w, staffcmd.SetStaffStatus{PersonID: only, Status: "banned", At: w.Now()}),
		"the role changes": run(w, staffcmd.ChangeRole{RoleID: personnel, RoleName: "personnel", Permissions: []string{"staff.read"}}),
		"the role goes":    run(w, staffcmd.DeleteRole{RoleID: personnel}),
	} {
		if !fault.Is(err, fault.Conflict) || code(err) != "last_administrator" {
			t.Errorf("%s: %v", name, err)
		}
	}
	second := staff(w, "b@example.com", "admin")
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: second, Status: "suspended", At: w.Now()})
	worldtest.Refused(w, staffcmd.DeleteRole{RoleID: personnel}, fault.Conflict, "last_administrator") // who is suspended can give nothing
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: second, Status: "active", At: w.Now()})
	worldtest.Must(w, staffcmd.DeleteRole{RoleID: personnel})
}

// Two administrators who take the role from each other at the same time do not both succeed.
func TestTheLastAdministratorStaysUnderConcurrency(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	for range 8 {
		w.Exec(`delete from person_role`)
		people := []uuid.UUID{staff(w, w.NewID().String()+"@example.com", "admin"), staff(w, w.NewID().String()+"@example.com", "admin")}
		var group sync.WaitGroup
		failed := make([]error, 2)
		for i := range people {
			group.Go(func() {
				if i == 0 {
					failed[i] = run(w, staffcmd.SetRoles{PersonID: people[1], By: &people[0]})
				} else {
					failed[i] = run(w, staffcmd.SetStaffStatus{PersonID: people[0], Status: "suspended", At: w.Now(), By: &people[1]})
				}
			})
		}
		group.Wait()
		left := worldtest.One[int](w, `select count(distinct p.id) from person p join person_role pr on pr.person_id = p.id where p.status = 'active'`)
		if left != 1 || (failed[0] == nil) == (failed[1] == nil) {
			t.Fatalf("%d administrators are left: %v, %v", left, failed[0], failed[1])
		}
	}
}

func TestSuspendingEndsSessions(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	staff(w, "root@example.com", "admin")
	worker, other := staff(w, "a@example.com", "support"), staff(w, "b@example.com", "support")
	customer, person := member(w, "c@example.com")
	session(w, worker)
	session(w, other)
	worldtest.Must(w, impersonation(w, worker, person, customer))
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: worker, Status: "suspended", At: w.Now()})
	if n := worldtest.One[int](w, `select count(*) from session where ended_at is null`); n != 1 {
		t.Errorf("%d sessions are open, of one who is not suspended", n)
	}
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: worker, Status: "suspended", At: w.Now()})
	if !slices.Contains(w.Events(), "identity.PersonChanged 2") || slices.Contains(w.Events(), "identity.PersonChanged 3") {
		t.Errorf("events %v", w.Events())
	}
	worldtest.Refused(w, staffcmd.SetStaffStatus{PersonID: person, Status: "suspended", At: w.Now()}, fault.NotFound, "staff_not_found")
	worldtest.CheckField(t, staffcmd.SetStaffStatus{PersonID: worker, Status: "away", At: w.Now()}.Validate(), "status")
}

func session(w *worldtest.World, person uuid.UUID) {
	w.Helper()
	worldtest.Must(w, openFor(w, person))
}

func openFor(w *worldtest.World, person uuid.UUID) access.OpenSession {
	return access.OpenSession{SessionID: w.NewID(), Hash: token.New(token.Session).Hash(), Site: "admin", PersonID: person, Factors: []string{"password"},
		At: w.Now(), Lifetime: time.Hour, Idle: time.Hour}
}
