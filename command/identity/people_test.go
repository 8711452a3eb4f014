package identity_test

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

func person(w *worldtest.World, site, email string) uuid.UUID {
	w.Helper()
	return worldtest.Must(w, identity.RegisterPerson{PersonID: w.NewID(), Site: site, Email: email, PersonName: "P"}).PersonID
}

func TestPeopleBelongToASite(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	customer, staff := person(w, "account", "Ada@Example.com"), person(w, "admin", "ada@example.com")
	if customer == staff {
		t.Fatal("one person on two sites")
	}
	worldtest.Refused(w, identity.RegisterPerson{PersonID: w.NewID(), Site: "account", Email: "ADA@example.com", PersonName: "B"}, fault.Conflict, "person_exists")
	worldtest.Refused(w, identity.RegisterPerson{PersonID: w.NewID(), Site: "admin", Email: "b@example.com", PersonName: "B", Roles: []string{"admin", "nothing"}}, fault.Invalid, "invalid_input")
	worldtest.Must(w, identity.RegisterPerson{PersonID: w.NewID(), Site: "admin", Email: "b@example.com", PersonName: "B", Verified: true, Roles: []string{"admin", "billing"}})
	if n := worldtest.One[int](w, `select count(*) from person_role r join person p on p.id = r.person_id where p.email = 'b@example.com' and p.email_verified_at is not null`); n != 2 {
		t.Errorf("%d roles, want 2", n)
	}
	for field, c := range map[string]identity.RegisterPerson{
		"site":  {PersonID: uuid.New(), Site: "public", Email: "a@b.example", PersonName: "A"},
		"roles": {PersonID: uuid.New(), Site: "account", Email: "a@b.example", PersonName: "A", Roles: []string{"admin"}},
		"email": {PersonID: uuid.New(), Site: "account", Email: "a@b.example\r\nBcc: c@d.example", PersonName: "A"},
	} {
		worldtest.CheckField(t, c.Validate(), field)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	account := w.Customer("a@example.com")
	ada, bob, staff := person(w, "account", "ada@example.com"), person(w, "account", "bob@example.com"), person(w, "admin", "ada@example.com")
	rights := func(p uuid.UUID) string {
		return worldtest.One[string](w, `select coalesce((select rights from membership where customer_id = $1 and person_id = $2), '-')`, account, p)
	}
	worldtest.Must(w, membership.Change{CustomerID: account, PersonID: ada, Rights: "owner", At: w.Now()})
	worldtest.Must(w, membership.Change{CustomerID: account, PersonID: bob, Rights: "technical", At: w.Now()})
	worldtest.Must(w, membership.Change{CustomerID: account, PersonID: bob, Rights: "billing", At: w.Now()})
	if rights(ada) != "owner" || rights(bob) != "billing" {
		t.Errorf("ada is %s, bob is %s", rights(ada), rights(bob))
	}
	for _, to := range []string{"", "billing"} {
		worldtest.Refused(w, membership.Change{CustomerID: account, PersonID: ada, Rights: to, At: w.Now()}, fault.Conflict, "last_owner")
	}
	worldtest.Refused(w, membership.Change{CustomerID: account, PersonID: staff, Rights: "owner", At: w.Now()}, fault.NotFound, "no_such_person")
	worldtest.Refused(w, membership.Change{CustomerID: account, PersonID: w.NewID(), Rights: "", At: w.Now()}, fault.NotFound, "no_such_member")
	worldtest.Refused(w, membership.Change{CustomerID: w.NewID(), PersonID: ada, Rights: "owner", At: w.Now()}, fault.NotFound, "no_such_customer")
	worldtest.Must(w, membership.Change{CustomerID: account, PersonID: bob, Rights: "owner", At: w.Now()})
	worldtest.Must(w, membership.Change{CustomerID: account, PersonID: ada, At: w.Now()})
	if rights(ada) != "-" || rights(bob) != "owner" {
		t.Errorf("ada is %s, bob is %s", rights(ada), rights(bob))
	}
}

// Two owners who take each other out at the same time: one of them stays.
func TestAnAccountKeepsAnOwner(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	account := w.Customer("a@example.com")
	owners := make([]uuid.UUID, 8)
	for i := range owners {
		owners[i] = person(w, "account", string(rune('a'+i))+"@example.com")
		worldtest.Must(w, membership.Change{CustomerID: account, PersonID: owners[i], Rights: "owner", At: w.Now()})
	}
	var all sync.WaitGroup
	for _, o := range owners {
		all.Go(func() {
			_, err := command.Run(context.Background(), w.DB, w.Meta(), membership.Change{CustomerID: account, PersonID: o, At: w.Now()})
			if err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := worldtest.One[int](w, `select count(*) from membership where customer_id = $1 and rights = 'owner'`, account); n != 1 {
		t.Errorf("%d owners are left, want 1", n)
	}
}
