package identity_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/command/retention"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/token"
)

// house is a world in which people register.
type house struct{ *worldtest.World }

func newHouse(t *testing.T) house { t.Helper(); return house{worldtest.New(t)} }

func (h house) register(email string) uuid.UUID {
	h.Helper()
	link := h.NewID()
	worldtest.Must(h.World, identity.StartRegistration{PersonID: h.NewID(), LinkID: link, Email: email, PersonName: "Ada", Company: "Engines Ltd", PasswordHash: "hash of " + link.String(), At: h.Now()})
	return link
}

// mailed draws a link's token, as the job does that sends the mail.
func (h house) mailed(link uuid.UUID) identity.Proof {
	h.Helper()
	t := token.New(token.Link)
	worldtest.Must(h.World, identity.ArmLink{LinkID: link, Hash: t.Hash(), At: h.Now()})
	return identity.Proof{LinkID: link, Hash: t.Hash(), Site: "account", At: h.Now()}
}

func (h house) personOf(link uuid.UUID) uuid.UUID {
	h.Helper()
	return worldtest.One[uuid.UUID](h.World, `select person_id from link where id = $1`, link)
}

func (h house) verification(link uuid.UUID) identity.VerifyEmail {
	h.Helper()
	return identity.VerifyEmail{Proof: h.mailed(link), Joining: h.joining(), PersonID: h.personOf(link)}
}

func (h house) joining() identity.Joining {
	return identity.Joining{CustomerID: h.NewID(), InvitationID: h.NewID()}
}

// settled is somebody who has registered and followed the link.
func (h house) settled(email string) (person, customer uuid.UUID) {
	h.Helper()
	order := h.verification(h.register(email))
	worldtest.Must(h.World, order)
	return order.PersonID, order.CustomerID
}

// session writes an open session.
func (h house) session(person uuid.UUID) uuid.UUID {
	h.Helper()
	return worldtest.One[uuid.UUID](h.World, `insert into session (id, hash, site, person_id, factors, opened_at, proved_at, seen_at, expires_at, idle)
		values (gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'account', $1, '{password}', $2, $2, $2, $2::timestamptz + interval '1 day', interval '1 day') returning id`, person, h.Now())
}

func (h house) open(person uuid.UUID) int {
	h.Helper()
	return worldtest.One[int](h.World, `select count(*) from session where person_id = $1 and ended_at is null`, person)
}

const people = `select coalesce(string_agg(concat_ws(' ', p.email, p.email_verified_at is not null, c.email, nullif(c.company, ''), m.rights), ', ' order by p.email), '')
	from person p left join membership m on m.person_id = p.id left join customer c on c.id = m.customer_id`

func (h house) want(want string) {
	h.Helper()
	if got := worldtest.One[string](h.World, people); got != want {
		h.Errorf("got %q, want %q", got, want)
	}
}

func TestRegistration(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	order := h.verification(h.register("Ada@Example.com"))
	h.want("ada@example.com f")
	worldtest.Must(h.World, order)
	h.want("ada@example.com t ada@example.com Engines Ltd owner")
	worldtest.CheckChanged(h.World, "identity.VerifyEmail", `{"verified": false} {"verified": true}`)
	if got, want := h.Events(), []string{"identity.LinkRequested 1", "identity.PersonRegistered 1", "identity.PersonChanged 2", "identity.CustomerRegistered 1", "identity.MembershipChanged 2"}; !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
	worldtest.Refused(h.World, order, fault.NotFound, "link_not_valid")
	h.register("ada@EXAMPLE.com") // once more: the one who is here is told, nothing else happens
	h.want("ada@example.com t ada@example.com Engines Ltd owner")
	if got := h.Events(); got[len(got)-1] != "identity.RegistrationRepeated 1" {
		t.Errorf("got events %v", got)
	}
}

// Who registers an address that nobody has verified takes the place of whoever did before.
func TestARegistrationReplacesOneThatWasNeverVerified(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	stranger := h.register("ada@example.com")
	before := h.mailed(stranger)
	owner := h.register("ada@example.com")
	person := h.personOf(owner)
	worldtest.CheckChanged(h.World, "identity.StartRegistration", `{"password": "[redacted]"} {"password": "[redacted]"}`)
	if got, want := worldtest.One[string](h.World, `select hash from password where person_id = $1`, person), "hash of "+owner.String(); got != want {
		t.Errorf("password: got %q, want %q", got, want)
	}
	worldtest.Refused(h.World, identity.VerifyEmail{Proof: before, Joining: h.joining(), PersonID: person}, fault.NotFound, "link_not_valid")
	worldtest.Refused(h.World, identity.ArmLink{LinkID: stranger, Hash: before.Hash, At: h.Now()}, fault.NotFound, "link_not_valid")
	worldtest.Must(h.World, h.verification(owner))
	h.want("ada@example.com t ada@example.com Engines Ltd owner")
}

// Staff and imports make accounts before there are people. The address alone opens none of them.
func TestAnAccountThatIsThereAlready(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	customer := h.Customer("ada@example.com")
	order := h.verification(h.register("ada@example.com"))
	worldtest.Must(h.World, order)
	h.want("ada@example.com t")
	if got := worldtest.One[string](h.World, `select concat_ws(' ', email, rights) from link where id = $1 and customer_id = $2`, order.InvitationID, customer); got != "ada@example.com owner" {
		t.Errorf("the reader of a memberless account's address is invited: got %q", got)
	}
	accept := identity.AcceptInvitation{Proof: h.mailed(order.InvitationID), CustomerID: customer, PersonID: order.PersonID}
	worldtest.Must(h.World, accept)
	h.want("ada@example.com t ada@example.com owner")

	// The account's people have given up the address, and somebody else has it now.
	h.Exec(`update person set email = 'ada@new.example'`)
	again := h.verification(h.register("ada@example.com"))
	worldtest.Must(h.World, again)
	h.want("ada@example.com t, ada@new.example t ada@example.com owner")
	if n := worldtest.One[int](h.World, `select count(*) from link where id = $1`, again.InvitationID); n != 0 {
		t.Error("an account that has people invites nobody by itself")
	}
}

// Of many uses at once one counts.
func TestALinkWorksOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	order := h.verification(h.register("ada@example.com"))
	_, customer := h.settled("owner@example.com")
	invitation := h.invited(customer, "bob@example.com", "billing")
	proof := h.mailed(invitation)
	reset := h.mailed(h.forgotten("owner@example.com"))
	owner := h.personOf(reset.LinkID)
	for name, use := range map[string]func() error{
		"verify": func() error { return h.run(order) },
		"accept": func() error {
			return run(h, identity.AcceptInvitation{Proof: proof, CustomerID: customer, PersonID: uuid.New(), New: true, PersonName: "Bob", PasswordHash: "x"})
		},
		"reset": func() error {
			return run(h, identity.ResetPassword{Proof: reset, Joining: identity.Joining{CustomerID: uuid.New(), InvitationID: uuid.New()}, PersonID: owner, PasswordHash: "x"})
		},
	} {
		var mu sync.Mutex
		var all sync.WaitGroup
		done := 0
		for range 20 {
			all.Go(func() {
				err := use()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					done++
				case !fault.Is(err, fault.NotFound):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		if done != 1 {
			t.Errorf("%s: %d uses counted", name, done)
		}
	}
}

func (h house) run(c identity.VerifyEmail) error { return run(h, c) }

// run runs a command beside others, with ids of its own.
func run[R any](h house, c command.Command[R]) error {
	_, err := command.Run(context.Background(), h.DB, command.Meta{Actor: "test", Now: h.Now(), NewID: uuid.New}, c)
	return err
}

func (h house) forgotten(email string) uuid.UUID {
	h.Helper()
	link := h.NewID()
	worldtest.Must(h.World, identity.RequestReset{LinkID: link, Site: "account", Email: email, At: h.Now()})
	return link
}

func (h house) invited(customer uuid.UUID, email, rights string) uuid.UUID {
	h.Helper()
	link := h.NewID()
	worldtest.Must(h.World, identity.Invite{LinkID: link, CustomerID: customer, Email: email, Rights: rights, At: h.Now()})
	return link
}

// Whatever is wrong with a link, it is the same.
func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person, _ := h.settled("ada@example.com")
	other, _ := h.settled("bob@example.com")
	link := h.forgotten("ada@example.com")
	right := h.mailed(link)
	order := func(change func(*identity.ResetPassword)) identity.ResetPassword {
		c := identity.ResetPassword{Proof: right, Joining: h.joining(), PersonID: person, PasswordHash: "new"}
		change(&c)
		return c
	}
	for name, c := range map[string]identity.ResetPassword{
		"another hash":   order(func(c *identity.ResetPassword) { c.Hash[0] ^= 1 }),
		"another link":   order(func(c *identity.ResetPassword) { c.LinkID = h.NewID() }),
		"another site":   order(func(c *identity.ResetPassword) { c.Site = "admin" }),
		"another person": order(func(c *identity.ResetPassword) { c.PersonID = other }),
		"too old":        order(func(c *identity.ResetPassword) { c.At = h.Now().Add(time.Hour) }),
	} {
		if f := worldtest.Refused(h.World, c, fault.NotFound, "link_not_valid"); f.Message != identity.InvalidLink().Message {
			t.Errorf("%s: %s", name, f.Message)
		}
	}
	worldtest.Refused(h.World, identity.VerifyEmail{Proof: right, Joining: h.joining(), PersonID: person}, fault.NotFound, "link_not_valid")
	again := h.mailed(link) // sent again: another token
	worldtest.Refused(h.World, order(func(*identity.ResetPassword) {}), fault.NotFound, "link_not_valid")
	worldtest.Must(h.World, order(func(c *identity.ResetPassword) { c.Proof = again }))
	worldtest.Refused(h.World, order(func(c *identity.ResetPassword) { c.Proof = again }), fault.NotFound, "link_not_valid")
	for _, status := range []string{"suspended", "banned"} {
		late := h.mailed(h.forgotten("ada@example.com"))
		worldtest.Must(h.World, identity.ChangePersonStatus{PersonID: person, Site: "account", Status: status, At: h.Now()})
		worldtest.Refused(h.World, order(func(c *identity.ResetPassword) { c.Proof = late }), fault.NotFound, "link_not_valid")
		worldtest.Must(h.World, identity.ChangePersonStatus{PersonID: person, Site: "account", Status: "active", At: h.Now()})
	}
}

func TestAResetEndsSessionsAndLeavesSecondFactors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person, account := h.settled("ada@example.com")
	bob, _ := h.settled("bob@example.com")
	h.session(person)
	h.Holdings(person, account)
	h.Holdings(bob, account)
	h.Exec(`insert into passkey (id, person_id, credential_id, public_key, backup_eligible, backed_up, name, created_at) values (gen_random_uuid(), $1, '\x01', '\x02', true, true, 'key', now())`, person)
	order := identity.ResetPassword{Proof: h.mailed(h.forgotten("ADA@example.com")), Joining: h.joining(), PersonID: person, PasswordHash: "new"}
	worldtest.Must(h.World, order)
	worldtest.CheckChanged(h.World, "identity.ResetPassword", `{"tokens": 1, "password": "[redacted]", "applications": 1, "open_sessions": 2} {"tokens": 0, "password": "[redacted]", "applications": 0, "open_sessions": 0}`)
	if mine, his := h.Held(person), h.Held(bob); mine != "0 0 0" || his != "1 1 1" {
		t.Errorf("sessions, tokens, grants: %s of hers, %s of his", mine, his)
	}
	told := worldtest.One[string](h.World, `select payload::text from outbox where type = 'credential.CredentialChanged' order by txid desc limit 1`)
	if want := `{"kind": "password", "change": "reset", "person_id": "` + person.String() + `", "tokens_ended": 1, "sessions_ended": 2, "applications_ended": 1}`; told != want {
		t.Errorf("told %s, want %s", told, want)
	}
	if got := worldtest.One[string](h.World, `select concat_ws(' ', (select hash from password where person_id = $1), (select count(*) from passkey where person_id = $1))`, person); got != "new 1" {
		t.Errorf("got %q", got)
	}
	if n := h.open(person); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	before := len(h.Events())
	h.forgotten("nobody@example.com")
	if after := h.Events(); len(after) != before {
		t.Errorf("a link for nobody: %v", after[before:])
	}
}

// A reset is for those as well whose first link is lost, and takes a stranger's password away.
func TestAResetEndsARegistration(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person := h.personOf(h.register("ada@example.com"))
	worldtest.Must(h.World, identity.ResetPassword{Proof: h.mailed(h.forgotten("ada@example.com")), Joining: h.joining(), PersonID: person, PasswordHash: "new"})
	worldtest.CheckChanged(h.World, "identity.ResetPassword", `{"password": "[redacted]", "verified": false} {"password": "[redacted]", "verified": true}`)
	h.want("ada@example.com t ada@example.com Engines Ltd owner")
}

func TestAChangeOfAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person, _ := h.settled("ada@example.com")
	bob, _ := h.settled("bob@example.com")
	here, elsewhere := h.session(person), h.session(person)
	h.register("ada@new.example") // a squatter
	link := h.NewID()
	worldtest.Must(h.World, identity.RequestAddress{LinkID: link, PersonID: person, SessionID: here, Email: "Ada@New.example", At: h.Now()})
	h.want("ada@example.com t ada@example.com Engines Ltd owner, ada@new.example f, bob@example.com t bob@example.com Engines Ltd owner")
	stolen := h.mailed(h.forgotten("ada@example.com"))
	worldtest.Must(h.World, identity.VerifyEmail{Proof: h.mailed(link), Joining: h.joining(), PersonID: person, But: &here})
	worldtest.CheckChanged(h.World, "identity.VerifyEmail", `{"email": "[redacted]", "open_sessions": 1} {"email": "[redacted]", "open_sessions": 0}`)
	if got := worldtest.One[string](h.World, `select email || ' ' || (email_verified_at is not null) from person where id = $1`, person); got != "ada@new.example true" {
		t.Errorf("got %q", got)
	}
	if ended := worldtest.One[bool](h.World, `select (select ended_at is not null from session where id = $1) and (select ended_at is null from session where id = $2)`, elsewhere, here); !ended {
		t.Error("the other sessions end, and no other")
	}
	worldtest.Refused(h.World, identity.ResetPassword{Proof: stolen, Joining: h.joining(), PersonID: person, PasswordHash: "x"}, fault.NotFound, "link_not_valid")
	// To somebody else's address: its owner is told, and there is no link.
	taken := h.NewID()
	worldtest.Must(h.World, identity.RequestAddress{LinkID: taken, PersonID: person, SessionID: here, Email: "bob@example.com", At: h.Now()})
	if got := h.Events(); got[len(got)-1] != "identity.RegistrationRepeated 1" || worldtest.One[int](h.World, `select count(*) from link where id = $1`, taken) != 0 {
		t.Errorf("got events %v", got)
	}
	if f := worldtest.Refused(h.World, identity.RequestAddress{LinkID: h.NewID(), PersonID: bob, SessionID: h.session(bob), Email: "BOB@example.com", At: h.Now()}, fault.Invalid, "invalid_input"); f.Fields[0].Name != "email" {
		t.Errorf("got %v", f)
	}
}

func TestInvitations(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	owner, customer := h.settled("owner@example.com")
	bob, _ := h.settled("bob@example.com")
	eve, _ := h.settled("eve@example.com")
	first := h.mailed(h.invited(customer, "bob@example.com", "read_only"))
	second := h.mailed(h.invited(customer, "Bob@example.com", "technical")) // again: the one before is over
	accept := identity.AcceptInvitation{Proof: first, CustomerID: customer, PersonID: bob}
	worldtest.Refused(h.World, accept, fault.NotFound, "link_not_valid")
	accept.Proof, accept.PersonID = second, eve
	worldtest.Refused(h.World, accept, fault.Conflict, "other_person")
	accept.PersonID, accept.New, accept.PersonName, accept.PasswordHash = h.NewID(), true, "Bob", "x"
	worldtest.Refused(h.World, accept, fault.Conflict, "sign_in_first")
	accept.PersonID, accept.New = bob, false
	worldtest.Must(h.World, accept)
	if got := worldtest.One[string](h.World, `select rights from membership where person_id = $1 and customer_id = $2`, bob, customer); got != "technical" {
		t.Errorf("got %q", got)
	}
	worldtest.Refused(h.World, identity.Invite{LinkID: h.NewID(), CustomerID: customer, Email: "bob@example.com", Rights: "billing", At: h.Now()}, fault.Conflict, "member_already")
	back := h.invited(customer, "carol@example.com", "billing")
	proof := h.mailed(back)
	worldtest.Refused(h.World, identity.RevokeInvitation{LinkID: back, CustomerID: h.Customer("other@example.com"), At: h.Now()}, fault.NotFound, "invitation_not_found")
	worldtest.Must(h.World, identity.RevokeInvitation{LinkID: back, CustomerID: customer, At: h.Now()})
	worldtest.CheckChanged(h.World, "identity.RevokeInvitation", fmt.Sprintf(`{} {"revoked_at": "%s"}`, h.Now().Format(time.RFC3339)))
	worldtest.Refused(h.World, identity.AcceptInvitation{Proof: proof, CustomerID: customer, PersonID: h.NewID(), New: true, PersonName: "C", PasswordHash: "x"}, fault.NotFound, "link_not_valid")
	for i := range 50 {
		h.invited(customer, fmt.Sprintf("guest%d@example.com", i), "read_only")
	}
	worldtest.Refused(h.World, identity.Invite{LinkID: h.NewID(), CustomerID: customer, Email: "late@example.com", Rights: "billing", At: h.Now()}, fault.Conflict, "too_many_invitations")
	h.invited(customer, "guest7@example.com", "billing") // again is not more
	worldtest.Refused(h.World, membership.Change{CustomerID: customer, PersonID: owner, At: h.Now()}, fault.Conflict, "last_owner")
}

// Two owners who take each other out at once leave one.
func TestAnOwnerIsLeft(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, customer := h.settled("o0@example.com")
	for i := 1; i < 8; i++ {
		p, _ := h.settled(fmt.Sprintf("o%d@example.com", i))
		worldtest.Must(h.World, membership.Change{CustomerID: customer, PersonID: p, Rights: "owner", At: h.Now()})
	}
	owners := worldtest.One[[]uuid.UUID](h.World, `select array_agg(person_id) from membership where customer_id = $1`, customer)
	var all sync.WaitGroup
	for i, p := range owners {
		all.Go(func() {
			err := run(h, membership.Change{CustomerID: customer, PersonID: p, Rights: []string{"", "billing"}[i%2], At: h.Now()})
			if err != nil && !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := worldtest.One[int](h.World, `select count(*) from membership where customer_id = $1 and rights = 'owner'`, customer); n != 1 {
		t.Errorf("%d owners are left", n)
	}
}

func TestSuspendedPeopleAreSignedOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person, _ := h.settled("ada@example.com")
	h.session(person)
	worldtest.Refused(h.World, identity.ChangePersonStatus{PersonID: person, Site: "admin", Status: "banned", At: h.Now()}, fault.NotFound, "person_not_found")
	worldtest.Must(h.World, identity.ChangePersonStatus{PersonID: person, Site: "account", Status: "suspended", At: h.Now()})
	if n := h.open(person); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
	before := len(h.Events())
	h.register("ada@example.com")
	h.forgotten("ada@example.com")
	if got := h.Events(); len(got) != before {
		t.Errorf("somebody suspended gets no links: %v", got[before:])
	}
}

func TestWhatIsForgotten(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	person, _ := h.settled("ada@example.com")
	h.register("gone@example.com")
	h.Exec(`insert into notification (id, person_id, channel, recipient, template, event_id, content, status, queued_at)
		select gen_random_uuid(), id, 'mail', email, 'verify_email', gen_random_uuid(), '{}', 'queued', now() from person where email = 'gone@example.com'`)
	h.SetTime(h.Now().AddDate(0, 0, 6))
	h.register("late@example.com")
	h.SetTime(h.Now().AddDate(0, 0, 2))
	if n, err := retention.Unverified(t.Context(), h.Pool, h.Now().AddDate(0, 0, -7)); n != 1 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	h.want("ada@example.com t ada@example.com Engines Ltd owner, late@example.com f")
	h.forgotten("ada@example.com")
	if n, err := retention.Links(t.Context(), h.Pool, h.Now()); n != 2 || err != nil { // of Ada's registration, and the late one's, which is too old
		t.Errorf("forgot %d links, %v", n, err)
	}
	if n := worldtest.One[int](h.World, `select count(*) from link where person_id = $1`, person); n != 1 {
		t.Errorf("%d links are left of Ada", n)
	}
}

func TestRegistrationsAreChecked(t *testing.T) {
	t.Parallel()
	right := identity.StartRegistration{PersonID: uuid.New(), LinkID: uuid.New(), Email: "a@b.example", PersonName: "A", PasswordHash: "x", At: time.Unix(1, 0)}
	for field, change := range map[string]func(*identity.StartRegistration){
		"email":     func(c *identity.StartRegistration) { c.Email = "a@b.example\r\nBcc: x@y.example" },
		"name":      func(c *identity.StartRegistration) { c.PersonName = "A\r\nBcc: x@y.example" },
		"company":   func(c *identity.StartRegistration) { c.Company = "A\nB" },
		"password":  func(c *identity.StartRegistration) { c.PasswordHash = "" },
		"person_id": func(c *identity.StartRegistration) { c.PersonID = uuid.Nil },
		"link_id":   func(c *identity.StartRegistration) { c.LinkID = uuid.Nil },
		"at":        func(c *identity.StartRegistration) { c.At = time.Time{} },
	} {
		c := right
		change(&c)
		worldtest.CheckField(t, c.Validate(), field)
	}
}

// Neither addresses, names, passwords nor what links are found by stand in the books.
func TestRegistrationsStayOutOfTheBooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	link := h.register("ada@example.com")
	proof := h.mailed(link)
	worldtest.Must(h.World, identity.VerifyEmail{Proof: proof, Joining: h.joining(), PersonID: h.personOf(link)})
	hash := strings.ReplaceAll(strings.Trim(fmt.Sprint([32]byte(proof.Hash)), "[]"), " ", ", ")
	for _, text := range []string{"ada@", "Ada", "Engines", "hash of", hash} {
		if n := worldtest.One[int](h.World, `select (select count(*) from audit a where position($1 in a::text) > 0) + (select count(*) from outbox where position($1 in payload::text) > 0) + (select count(*) from idempotency i where position($1 in i::text) > 0)`, text); n != 0 {
			t.Errorf("%q stands in %d rows", text, n)
		}
	}
}

// Registrations of one address at once make one person, with the one link that was asked for last.
func TestRegistrationsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			link := uuid.New()
			if err := run(h, identity.StartRegistration{PersonID: uuid.New(), LinkID: link, Email: "ada@example.com", PersonName: "Ada", PasswordHash: link.String(), At: h.Now()}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := worldtest.One[string](h.World, `select concat_ws(' ', (select count(*) from person), count(*), bool_and(l.id::text = w.hash)) from link l join password w using (person_id) where l.revoked_at is null`); got != "1 1 t" {
		t.Errorf("people, links that work, and the last one's password: %s", got)
	}
}
