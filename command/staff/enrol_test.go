package staff_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/membership"
	staffcmd "github.com/ezscale/platform/command/staff"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
)

func use(w *worldtest.World, person, link uuid.UUID, hash secret.Hash) access.Enrol {
	return access.Enrol{LinkID: link, TokenHash: hash, PasswordHash: "$hash$", Session: openFor(w, person)}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	person, link, hash := enrol(w, "Ada@Example.com", "support")
	if got := worldtest.One[string](w, `select email || ' ' || (email_verified_at is null) from person where id = $1`, person); got != "ada@example.com true" {
		t.Errorf("enrolled %s", got)
	}
	opened := worldtest.Must(w, use(w, person, link, hash))
	if !opened.NewDevice {
		t.Error("the first device is new")
	}
	if got := worldtest.One[string](w, `select w.hash || ' ' || (p.email_verified_at is not null) || ' ' || (l.used_at is not null)
		from person p join password w on w.person_id = p.id join link l on l.person_id = p.id where p.id = $1`, person); got != "$hash$ true true" {
		t.Errorf("enrolled %s", got)
	}
	if got := strings.Join(w.Events(), ", "); got != "identity.PersonRegistered 1, access.SessionOpened 1, credential.CredentialChanged 2" {
		t.Errorf("events %s", got)
	}
	worldtest.Refused(w, use(w, person, link, hash), fault.NotFound, "link_not_valid")
	worldtest.Refused(w, staffcmd.EnrolStaff{PersonID: w.NewID(), Email: "ada@example.com", PersonName: "B", Link: staffcmd.Link{LinkID: w.NewID(), At: w.Now()}}, fault.Conflict, "person_exists")
	for _, needle := range []string{"%ada%", "%$hash$%"} {
		if n := worldtest.One[int](w, `select count(*) from audit where input::text like $1`, needle); n != 0 {
			t.Errorf("the audit log holds %s", needle)
		}
	}
}

// A link is used once, whoever else tries at the same time.
func TestALinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	person, link, hash := enrol(w, "ada@example.com")
	var used, refused atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		c := use(w, person, link, hash)
		group.Go(func() {
			_, err := command.Run(context.Background(), w.DB, w.Meta(), c)
			switch {
			case err == nil:
				used.Add(1)
			case code(err) == "link_not_valid":
				refused.Add(1)
			}
		})
	}
	group.Wait()
	if used.Load() != 1 || refused.Load() != 7 {
		t.Errorf("used %d times, refused %d times", used.Load(), refused.Load())
	}
}

func TestLinksThatDoNotWork(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	staff(w, "root@example.com", "admin")
	person, link, hash := enrol(w, "ada@example.com", "support")
	other, otherLink, _ := enrol(w, "bob@example.com")
	late := use(w, person, link, hash)
	late.Session.At = w.Now().Add(staffcmd.EnrolmentLife)
	for name, c := range map[string]access.Enrol{
		"too old": late, "another token": use(w, person, link, token.New(token.Session).Hash()), "of somebody else": use(w, other, link, hash), "another link": use(w, person, otherLink, hash),
	} {
		if err := run(w, c); code(err) != "link_not_valid" {
			t.Errorf("%s: %v", name, err)
		}
	}
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: person, Status: "suspended", At: w.Now()})
	worldtest.Refused(w, use(w, person, link, hash), fault.NotFound, "link_not_valid")
	worldtest.Refused(w, staffcmd.RenewEnrolment{PersonID: person, Link: staffcmd.Link{LinkID: w.NewID(), At: w.Now()}}, fault.Conflict, "person_not_active")
	worldtest.Must(w, staffcmd.SetStaffStatus{PersonID: person, Status: "active", At: w.Now()})
	worldtest.Refused(w, use(w, person, link, hash), fault.NotFound, "link_not_valid") // nor does it come back with him
	hash = token.New(token.Session).Hash()
	link = worldtest.Must(w, staffcmd.RenewEnrolment{PersonID: person, Link: staffcmd.Link{LinkID: w.NewID(), TokenHash: &hash, At: w.Now()}}).LinkID
	w.Exec(`update person set email = 'other@example.com' where id = $1`, person)
	worldtest.Refused(w, use(w, person, link, hash), fault.NotFound, "link_not_valid")
	w.Exec(`update person set email = 'ada@example.com' where id = $1`, person)
	again := token.New(token.Session).Hash()
	renewed := worldtest.Must(w, staffcmd.RenewEnrolment{PersonID: person, Link: staffcmd.Link{LinkID: w.NewID(), TokenHash: &again, At: w.Now()}})
	worldtest.Refused(w, use(w, person, link, hash), fault.NotFound, "link_not_valid")
	worldtest.Must(w, use(w, person, renewed.LinkID, again))
	worldtest.Refused(w, staffcmd.RenewEnrolment{PersonID: w.NewID(), Link: staffcmd.Link{LinkID: w.NewID(), At: w.Now()}}, fault.NotFound, "staff_not_found")
}

// A new link leaves a second factor as it is, unless it says that all is to be lost; then nothing that somebody may
// know or have opens anything.
func TestLostFactors(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	person, link, hash := enrol(w, "ada@example.com", "support")
	worldtest.Must(w, use(w, person, link, hash))
	worldtest.CheckChanged(w, "access.Enrol", `{"verified": false} {"password": "[redacted]", "verified": true}`)
	w.Exec(`insert into passkey (id, person_id, credential_id, public_key, backup_eligible, backed_up, name, created_at) values (gen_random_uuid(), $1, '\x01', '\x02', true, true, 'key', now())`, person)
	w.Exec(`insert into recovery_code (hash, person_id, issued_at) values (sha256('a'), $1, now()), (sha256('b'), $1, now())`, person)
	const left = `select concat_ws(' ', (select count(*) from password where person_id = $1), (select count(*) from passkey where person_id = $1),
		(select count(*) from recovery_code where person_id = $1), (select count(*) from session where person_id = $1 and ended_at is null))`
	worldtest.Must(w, staffcmd.RenewEnrolment{PersonID: person, Link: staffcmd.Link{LinkID: w.NewID(), At: w.Now()}})
	if got := worldtest.One[string](w, left, person); got != "1 1 2 1" {
		t.Errorf("after a new link %s", got)
	}
	worldtest.Must(w, staffcmd.RenewEnrolment{PersonID: person, ResetFactors: true, Link: staffcmd.Link{LinkID: w.NewID(), At: w.Now()}})
	worldtest.CheckChanged(w, "staff.RenewEnrolment", `{"passkeys": 1, "passwords": 1, "recovery_codes": 2} {"passkeys": 0, "passwords": 0, "recovery_codes": 0}`)
	if got := worldtest.One[string](w, left, person); got != "0 0 0 0" {
		t.Errorf("after a reset %s", got)
	}
	if n := worldtest.One[int](w, `select count(*) from outbox where type = 'credential.CredentialChanged' and payload::text like '%removed%'`); n != 3 {
		t.Errorf("%d notices of what was removed", n)
	}
	if n := worldtest.One[int](w, `select count(*) from outbox where type = 'identity.LinkRequested'`); n != 2 {
		t.Errorf("%d links are mailed", n)
	}
}

// Who reads the mailbox of one of the staff does not come in between a reset of all factors and the enrolment.
func TestAMailboxDoesNotDoForLostFactors(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	person, link, hash := enrol(w, "ada@example.com", "support")
	worldtest.Must(w, use(w, person, link, hash))
	forgot := func() identity.RequestReset {
		return identity.RequestReset{LinkID: w.NewID(), Site: "admin", Email: "ada@example.com", At: w.Now()}
	}
	const open = `select count(*) from link where person_id = $1 and purpose = 'reset_password' and used_at is null and revoked_at is null`
	worldtest.Must(w, forgot())
	if n := worldtest.One[int](w, open, person); n != 1 {
		t.Fatalf("%d links to reset the password", n)
	}
	again := token.New(token.Session).Hash()
	lost := worldtest.Must(w, staffcmd.RenewEnrolment{PersonID: person, ResetFactors: true, Link: staffcmd.Link{LinkID: w.NewID(), TokenHash: &again, At: w.Now()}})
	if n := worldtest.One[int](w, open, person); n != 0 {
		t.Errorf("%d links from before the reset work", n)
	}
	worldtest.Must(w, forgot())
	if n := worldtest.One[int](w, open, person); n != 0 {
		t.Errorf("%d links to set a password that nobody has", n)
	}
	worldtest.Must(w, use(w, person, lost.LinkID, again))
	worldtest.Must(w, forgot())
	if n := worldtest.One[int](w, open, person); n != 1 {
		t.Errorf("%d links after the enrolment", n)
	}
}

// What somebody had asked for at a session of one of the staff ends with the session, when they enrol once more.
func TestEnrolmentEndsAChangeOfAddress(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	person, link, hash := enrol(w, "ada@example.com", "support")
	at := worldtest.Must(w, use(w, person, link, hash)).SessionID
	move := identity.RequestAddress{LinkID: w.NewID(), PersonID: person, SessionID: at, Email: "thief@example.com", At: w.Now()}
	worldtest.Must(w, move)
	again := token.New(token.Session).Hash()
	renewed := worldtest.Must(w, staffcmd.RenewEnrolment{PersonID: person, Link: staffcmd.Link{LinkID: w.NewID(), TokenHash: &again, At: w.Now()}})
	worldtest.Must(w, use(w, person, renewed.LinkID, again))
	if worldtest.One[bool](w, `select revoked_at is null from link where id = $1`, move.LinkID) {
		t.Error("the address can still be moved")
	}
}

// member is a person of an account.
func member(w *worldtest.World, email string) (customer, person uuid.UUID) {
	w.Helper()
	customer = w.Customer(email)
	person = worldtest.Must(w, identity.RegisterPerson{PersonID: w.NewID(), Site: "account", Email: email, PersonName: "Person"}).PersonID
	worldtest.Must(w, membership.Change{CustomerID: customer, PersonID: person, Rights: "owner", At: w.Now()})
	return customer, person
}

func impersonation(w *worldtest.World, by, person, customer uuid.UUID) access.BeginImpersonation {
	return access.BeginImpersonation{SessionID: w.NewID(), Hash: token.New(token.Session).Hash(), ImpersonatorID: by, PersonID: person, CustomerID: customer,
		Reason: "cannot see the invoice", Ticket: "#123", At: w.Now()}
}

func TestImpersonation(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	worldtest.Must(w, staffcmd.CreateRole{RoleID: uuid.New(), RoleName: "looker", Permissions: []string{"impersonate"}})
	support, looker, clerk := staff(w, "s@example.com", "support"), staff(w, "l@example.com", "looker"), staff(w, "c@example.com", "billing")
	customer, person := member(w, "ada@example.com")
	other, stranger := member(w, "bob@example.com")
	worldtest.Must(w, impersonation(w, support, person, customer))
	got := worldtest.One[string](w, `select concat_ws(' ', site, impersonator_id = $1, person_id = $2, customer_id = $3, reason, widened, expires_at - opened_at, idle) from session`, support, person, customer)
	if got != "account t t t #123: cannot see the invoice f 00:30:00 00:30:00" {
		t.Errorf("session %s", got)
	}
	if got := worldtest.One[string](w, `select aggregate_type || ' ' || (aggregate_id = $1) || ' ' || (input->>'reason') from audit where command = 'access.BeginImpersonation'`, customer); got != "customer true cannot see the invoice" {
		t.Errorf("audit row %s", got)
	}
	if slices.ContainsFunc(w.Events(), func(e string) bool { return strings.HasPrefix(e, "access.SessionOpened") }) {
		t.Error("the person is told to have signed in")
	}
	wide := impersonation(w, looker, person, customer)
	wide.Widened = true
	for name, c := range map[string]struct {
		order access.BeginImpersonation
		code  string
	}{
		"without the permission":       {impersonation(w, clerk, person, customer), "not_allowed"},
		"to write without that":        {wide, "not_allowed"},
		"by a customer":                {impersonation(w, stranger, person, customer), "not_allowed"},
		"staff":                        {impersonation(w, support, clerk, customer), "not_impersonable"},
		"oneself":                      {impersonation(w, support, support, customer), "not_impersonable"},
		"in somebody else's account":   {impersonation(w, support, person, other), "not_impersonable"},
		"of an account that is not":    {impersonation(w, support, person, w.NewID()), "not_impersonable"},
		"somebody who is not":          {impersonation(w, support, w.NewID(), customer), "not_impersonable"},
		"a member of another account ": {impersonation(w, support, stranger, customer), "not_impersonable"},
	} {
		if err := run(w, c.order); code(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, sql := range []string{`update person set status = 'suspended' where id = $1`, `update person set status = 'banned' where id = $1`} {
		w.Exec(sql, person)
		worldtest.Refused(w, impersonation(w, support, person, customer), fault.Conflict, "not_impersonable")
	}
	w.Exec(`update person set status = 'active' where id = $1`, person)
	w.Exec(`update customer set status = 'banned' where id = $1`, customer)
	worldtest.Refused(w, impersonation(w, support, person, customer), fault.Conflict, "not_impersonable")
	short := impersonation(w, support, person, customer)
	short.Reason = "ticket 12"
	worldtest.CheckField(t, short.Validate(), "reason")
	if short.Reason += "3"; short.Validate() != nil {
		t.Error("ten characters are a reason")
	}
}
