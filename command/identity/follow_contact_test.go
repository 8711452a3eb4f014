package identity_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
)

// The account whose contact was an owner's old address goes on with the new one, where no other account has it.
func TestTheContactFollowsItsOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person, account := h.settled("ada@example.com")
	move := func(to string, contact uuid.UUID) string {
		t.Helper()
		link := h.NewID()
		worldtest.Must(h.World, identity.RequestAddress{LinkID: link, PersonID: person, SessionID: h.session(person), Email: to, At: h.Now()})
		worldtest.Must(h.World, identity.VerifyEmail{Proof: h.mailed(link), Joining: h.joining(), PersonID: person, Contact: &contact})
		return worldtest.One[string](h.World, `select p.email || ' ' || c.email from person p, customer c where p.id = $1 and c.id = $2`, person, contact)
	}
	if got := move("ada@new.example", account); got != "ada@new.example ada@new.example" {
		t.Errorf("got %s", got)
	}
	worldtest.CheckChanged(h.World, "identity.VerifyEmail", `{"email": "[redacted]", "contact": "[redacted]", "open_sessions": 1} {"email": "[redacted]", "contact": "[redacted]", "open_sessions": 0}`)
	if got := h.Events(); got[len(got)-1] != "identity.CustomerChanged 3" {
		t.Errorf("got events %v", got)
	}
	other := h.Customer("ada@taken.example")
	if got := move("ada@taken.example", account); got != "ada@taken.example ada@new.example" {
		t.Errorf("where another account has it: got %s", got)
	}
	if got := move("ada@third.example", other); got != "ada@third.example ada@taken.example" { // not hers
		t.Errorf("somebody else's account: got %s", got)
	}
}
