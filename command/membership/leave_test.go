package membership_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/internal/fault"
)

// member is a new person with rights in an account.
func member(w *worldtest.World, account uuid.UUID, rights string) uuid.UUID {
	w.Helper()
	id := w.NewID()
	worldtest.Must(w, identity.RegisterPerson{PersonID: id, Site: "account", Email: id.String() + "@example.com", PersonName: "P", Verified: true})
	worldtest.Must(w, membership.Change{CustomerID: account, PersonID: id, Rights: rights, At: w.Now()})
	return id
}

// Whoever leaves, or is taken out, leaves nothing behind that would work when they come back; what they have elsewhere stays.
func TestWhatEndsWithAMembership(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	here, elsewhere := w.Customer("here@example.com"), w.Customer("elsewhere@example.com")
	owner := member(w, here, "owner")
	leaving, removed := member(w, here, "read_only"), member(w, here, "technical")
	for _, p := range []uuid.UUID{leaving, removed, owner} {
		w.Holdings(p, here)
		w.Holdings(p, elsewhere)
	}
	session := w.Holdings(leaving, here)
	leave := membership.Leave{CustomerID: here, PersonID: leaving, SessionID: session, At: w.Now()}
	worldtest.Must(w, leave)
	worldtest.CheckChanged(w, "membership.Leave", `{"rights": "read_only", "tokens": 2, "applications": 2, "open_sessions": 1} {"rights": "", "tokens": 0, "applications": 0, "open_sessions": 0}`)
	worldtest.Must(w, membership.Change{CustomerID: here, PersonID: removed, At: w.Now()})
	for p, want := range map[uuid.UUID]string{leaving: "2 1 1", removed: "1 1 1", owner: "2 2 2"} { // the session in which they left goes on
		if got := w.Held(p); got != want {
			t.Errorf("sessions, tokens, grants: %s, want %s", got, want)
		}
	}
	if got := worldtest.One[string](w, `select coalesce(customer_id::text, 'none') from session where id = $1`, session); got != "none" {
		t.Errorf("the session looks at %s", got)
	}
	if got := worldtest.One[string](w, `select string_agg(payload->>'left', ',') from outbox where type = 'identity.MembershipChanged' and not payload ? 'rights'`); got != "true" {
		t.Errorf("told that they left: %q", got)
	}
	worldtest.Refused(w, leave, fault.NotFound, "account_not_found")
	leave.PersonID = owner
	worldtest.Refused(w, leave, fault.Conflict, "last_owner")
}

// Owners who leave at once leave one.
func TestOwnersWhoLeaveAtOnce(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	account := w.Customer("a@example.com")
	var all sync.WaitGroup
	var owners []uuid.UUID
	for range 5 {
		owners = append(owners, member(w, account, "owner"))
	}
	for _, p := range owners {
		all.Go(func() {
			leave := membership.Leave{CustomerID: account, PersonID: p, SessionID: uuid.New(), At: w.Now()}
			if _, err := command.Run(context.Background(), w.DB, w.Meta(), leave); err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := worldtest.One[int](w, `select count(*) from membership where customer_id = $1`, account); n != 1 {
		t.Errorf("%d owners are left", n)
	}
}

// Whoever cannot sign in is nobody to leave an account to. Staff suspend whom they have to, and mend what comes of it.
func TestASuspendedOwnerIsNoOwnerLeft(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	account := w.Customer("a@example.com")
	ada, bob, carol := member(w, account, "owner"), member(w, account, "owner"), member(w, account, "billing")
	status := func(person uuid.UUID, to string) {
		worldtest.Must(w, identity.ChangePersonStatus{PersonID: person, Site: "account", Status: to, At: w.Now()})
	}
	leave := membership.Leave{CustomerID: account, PersonID: ada, SessionID: uuid.New(), At: w.Now()}
	change := func(person uuid.UUID, rights string) membership.Change {
		return membership.Change{CustomerID: account, PersonID: person, Rights: rights, At: w.Now()}
	}
	for _, without := range []string{"suspended", "banned"} {
		status(bob, without)
		worldtest.Refused(w, leave, fault.Conflict, "last_owner")
		worldtest.Refused(w, change(ada, ""), fault.Conflict, "last_owner")
		worldtest.Refused(w, change(ada, "billing"), fault.Conflict, "last_owner")
	}
	w.Exec(`update person set status = 'active', email_verified_at = null where id = $1`, bob)
	worldtest.Refused(w, leave, fault.Conflict, "last_owner")
	status(bob, "suspended")
	status(ada, "suspended") // now there is none
	worldtest.Refused(w, change(bob, ""), fault.Conflict, "last_owner")
	worldtest.Must(w, change(carol, "owner"))
	worldtest.Must(w, change(bob, ""))
	worldtest.Must(w, change(ada, "read_only"))
	worldtest.Refused(w, change(carol, "billing"), fault.Conflict, "last_owner")
}
