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
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/query/access"
)

func person(w *worldtest.World, site, email string) uuid.UUID {
	w.Helper()
	return worldtest.Must(w, identity.RegisterPerson{PersonID: w.NewID(), Site: site, Email: email, PersonName: "P", Verified: true}).PersonID
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
	worldtest.Refused(w, membership.Change{CustomerID: account, PersonID: staff, Rights: "owner", At: w.Now()}, fault.NotFound, "person_not_found")
	worldtest.Refused(w, membership.Change{CustomerID: account, PersonID: w.NewID(), Rights: "", At: w.Now()}, fault.NotFound, "member_not_found")
	worldtest.Refused(w, membership.Change{CustomerID: w.NewID(), PersonID: ada, Rights: "owner", At: w.Now()}, fault.NotFound, "customer_not_found")
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

// A change of address that was begun at a session is not asked for when that is over: its link would outlast the session.
func TestAnEndedSessionMovesNoAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ada, _ := h.settled("ada@example.com")
	bob, _ := h.settled("bob@example.com")
	stolen := h.session(ada)
	move := identity.RequestAddress{LinkID: h.NewID(), PersonID: ada, SessionID: stolen, Email: "thief@new.example", At: h.Now()}
	worldtest.Must(h.World, move)
	reset := h.mailed(h.forgotten("ada@example.com"))
	worldtest.Must(h.World, identity.ResetPassword{Proof: reset, Joining: h.joining(), PersonID: ada, PasswordHash: "x"})
	move.LinkID = h.NewID()
	worldtest.Refused(h.World, move, fault.Forbidden, "session_over")
	move.SessionID = h.session(bob)
	worldtest.Refused(h.World, move, fault.Forbidden, "session_over")
	worldtest.CheckField(t, identity.RequestAddress{LinkID: h.NewID(), PersonID: ada, Email: "a@new.example", At: h.Now()}.Validate(), "session_id")
}

// An owner who was taken out does not come back by an invitation that they had sent to another address of theirs.
func TestAnInvitationIsWorthWhatItsSenderIs(t *testing.T) {
	t.Parallel()
	for name, fall := range map[string]func(h house, eve, customer uuid.UUID){
		"taken out": func(h house, eve, customer uuid.UUID) {
			h.Exec(`delete from membership where person_id = $1 and customer_id = $2`, eve, customer)
		},
		"made a reader": func(h house, eve, customer uuid.UUID) {
			h.Exec(`update membership set rights = 'read_only' where person_id = $1 and customer_id = $2`, eve, customer)
		},
		"banned": func(h house, eve, _ uuid.UUID) {
			worldtest.Must(h.World, identity.ChangePersonStatus{PersonID: eve, Site: "account", Status: "banned", At: h.Now()})
		},
		"still an owner": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			_, customer := h.settled("ada@example.com")
			eve, _ := h.settled("eve@example.com")
			friend, _ := h.settled("friend@example.com")
			h.Exec(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'owner', $3)`, eve, customer, h.Now())
			invite := identity.Invite{LinkID: h.NewID(), CustomerID: customer, Email: "friend@example.com", Rights: "owner", At: h.Now()}
			meta := h.Meta()
			meta.Actor = "person:" + eve.String()
			if _, err := command.Run(t.Context(), h.DB, meta, invite); err != nil {
				t.Fatal(err)
			}
			accept := identity.AcceptInvitation{Proof: h.mailed(invite.LinkID), CustomerID: customer, PersonID: friend}
			door := h.Database.Pool(postgres.RoleDoor)
			_, err := access.FindLink(t.Context(), door, "account", accept.Hash, h.Now())
			if fall == nil {
				if err != nil {
					t.Error(err)
				}
				worldtest.Must(h.World, accept)
				return
			}
			fall(h, eve, customer)
			if _, err := access.FindLink(t.Context(), door, "account", accept.Hash, h.Now()); !fault.Is(err, fault.NotFound) {
				t.Errorf("the link is shown: %v", err)
			}
			worldtest.Refused(h.World, accept, fault.NotFound, "link_not_valid")
		})
	}
}
