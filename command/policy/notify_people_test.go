package policy_test

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/command/account"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/internal/devmail"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/schemas/events"
)

// tell lets the rules see what is in the outbox, each event twice, as the consumer may.
func (o *office) tell() {
	o.Helper()
	rows, err := o.Owner.Query(context.Background(), `select event_id, type, schema_version, payload from outbox order by txid, position`)
	if err != nil {
		o.Fatal(err)
	}
	type stored struct {
		id uuid.UUID
		e  events.Event
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stored, err error) {
		var name string
		var version int
		var payload []byte
		if err := row.Scan(&s.id, &name, &version, &payload); err != nil {
			return s, err
		}
		s.e, err = events.Decode(name, version, payload)
		return s, err
	})
	if err != nil {
		o.Fatal(err)
	}
	for _, s := range slices.Concat(all, all) {
		o.happen(s.e, s.id)
	}
	o.Exec(`delete from outbox`)
}

// session opens one of a person.
func (o *office) session(person uuid.UUID) uuid.UUID {
	o.Helper()
	return worldtest.One[uuid.UUID](o.World, `insert into session (id, hash, site, person_id, factors, opened_at, proved_at, seen_at, expires_at, idle)
		values (gen_random_uuid(), sha256('s'), 'account', $1, '{password}', now(), now(), now(), now(), '1 h') returning id`, person)
}

// mails waits until so many mails have come, and gives them by subject.
func (o *office) mails(n int) map[string]devmail.Message {
	o.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(o.mailbox.List()) >= n && worldtest.One[int](o.World, `select count(*) from notification where status = 'queued'`) == 0 {
			break
		}
	}
	got := map[string]devmail.Message{}
	for _, m := range o.mailbox.List() {
		to := strings.Join(m.To, ",") // the mailbox shows names decoded: "Ada <ada@life.example>"
		to = strings.TrimSuffix(to[strings.LastIndex(to, "<")+1:], ">")
		got[to+" "+m.Subject] = m
	}
	if len(o.mailbox.List()) != n {
		o.Fatalf("got %d mails, want %d: %v; notifications %s", len(o.mailbox.List()), n, got,
			worldtest.One[string](o.World, `select coalesce(string_agg(concat_ws(' ', template, recipient, status, error), ', '), '') from notification`))
	}
	return got
}

var tokenPattern = regexp.MustCompile(`https://(panel|staff)\.example(/[a-z]+)#(ezl_[0-9A-Za-z]{49})\b`)

// proof reads the token of a mail, and finds its link as the door does.
func (o *office) proof(m devmail.Message, site string) identity.Proof {
	o.Helper()
	found := tokenPattern.FindStringSubmatch(m.Text)
	if found == nil || !strings.Contains(m.HTML, found[0]) {
		o.Fatalf("no link in %q", m.Text)
	}
	t, err := token.Parse(token.Link, found[3])
	if err != nil {
		o.Fatal(err)
	}
	hash := t.Hash()
	return identity.Proof{LinkID: worldtest.One[uuid.UUID](o.World, `select id from link where token_hash = $1`, hash[:]), Hash: hash, Site: site, At: o.Now()}
}

func (o *office) find(mails map[string]devmail.Message, subject string) devmail.Message {
	o.Helper()
	m, ok := mails[subject]
	if !ok {
		o.Fatalf("no mail %q in %v", subject, mails)
	}
	return m
}

// A person's story, by the mails that come of it.
func TestMailsOfAPersonsLife(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	o.Exec(`delete from outbox`)
	register := identity.StartRegistration{PersonID: o.NewID(), LinkID: o.NewID(), Email: "ada@life.example", PersonName: "Win: https://evil.example/", PasswordHash: "x", At: o.Now()}
	worldtest.Must(o.World, register)
	o.tell()
	first := o.find(o.mails(1), "ada@life.example Confirm your email address")
	if strings.Contains(first.Text+first.HTML, "evil") {
		t.Error("a stranger's words are mailed in our name")
	}
	proof := o.proof(first, "account")
	verify := identity.VerifyEmail{Proof: proof, Joining: identity.Joining{CustomerID: o.NewID(), InvitationID: o.NewID()}, PersonID: register.PersonID}
	worldtest.Must(o.World, verify)
	o.tell()
	o.find(o.mails(2), "ada@life.example Your rights in (unnamed)")
	register.PersonID, register.LinkID = o.NewID(), o.NewID()
	worldtest.Must(o.World, register) // once more
	move := identity.RequestAddress{LinkID: o.NewID(), PersonID: verify.PersonID, SessionID: o.session(verify.PersonID), Email: "ada@new.example", At: o.Now()}
	worldtest.Must(o.World, move)
	o.tell()
	mails := o.mails(5)
	o.find(mails, "ada@life.example You are already registered")
	if m := o.find(mails, "ada@life.example Your email address is about to change"); !strings.Contains(m.Text, "ada@new.example") {
		t.Errorf("got %s", m.Text)
	}
	moved := identity.VerifyEmail{Proof: o.proof(o.find(mails, "ada@new.example Confirm your new email address"), "account"), Joining: identity.Joining{CustomerID: o.NewID(), InvitationID: o.NewID()}, PersonID: verify.PersonID}
	worldtest.Must(o.World, moved)
	invite := identity.Invite{LinkID: o.NewID(), CustomerID: verify.CustomerID, Email: "bob@life.example", Rights: "technical", At: o.Now()}
	worldtest.Must(o.World, invite)
	o.tell()
	mails = o.mails(7)
	o.find(mails, "ada@life.example Your email address was changed") // to whom it was taken from
	o.proof(o.find(mails, "bob@life.example Invitation to (unnamed)"), "account")
	o.sealed(mails)
}

// sealed looks for the tokens of all mails wherever something is kept.
func (o *office) sealed(mails map[string]devmail.Message) {
	o.Helper()
	for _, m := range mails {
		found := tokenPattern.FindStringSubmatch(m.Text)
		if found == nil {
			continue
		}
		for _, table := range []string{"notification", "outbox", "audit", "idempotency", "river_job", "link", "ephemeral"} {
			if n := worldtest.One[int](o.World, `select count(*) from `+table+` t where position($1 in t::text) > 0`, found[3]); n != 0 {
				o.Errorf("the token of %q stands in %s", m.Subject, table)
			}
		}
	}
}

// What is sent again holds another token; what is over is not sent.
func TestALinkIsArmedWhenItsMailIsSent(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	o.Exec(`delete from outbox`)
	register := identity.StartRegistration{PersonID: o.NewID(), LinkID: o.NewID(), Email: "ada@life.example", PersonName: "Ada", PasswordHash: "x", At: o.Now()}
	worldtest.Must(o.World, register)
	o.tell()
	m := o.find(o.mails(1), "ada@life.example Confirm your email address")
	before := o.proof(m, "account")
	o.Exec(`update notification set status = 'queued', sent_at = null`)
	o.Exec(`update river_job set state = 'available', finalized_at = null, attempt = 0, scheduled_at = now() where kind = 'notify.deliver'`)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && len(o.mailbox.List()) < 2; time.Sleep(20 * time.Millisecond) {
	}
	o.await("mail verify_email sent")
	if again := o.proof(o.mailbox.List()[0], "account"); again.Hash == before.Hash || again.LinkID != before.LinkID {
		t.Error("the second mail holds the first one's token")
	}
	if n := worldtest.One[int](o.World, `select count(*) from link where token_hash = $1`, before.Hash[:]); n != 0 {
		t.Error("the first mail's token works still")
	}
	reset := identity.RequestReset{LinkID: o.NewID(), Site: "account", Email: "ada@life.example", At: o.Now().Add(-2 * time.Hour)} // too late by an hour
	worldtest.Must(o.World, reset)
	o.tell()
	o.await("mail verify_email sent, mail reset_password failed")
}

func TestNewDevicesAreTold(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	person := o.NewID()
	worldtest.Must(o.World, identity.RegisterPerson{PersonID: person, Site: "admin", Email: "staff@life.example", PersonName: "Sam", Verified: true})
	o.Exec(`delete from outbox`)
	for i := range 2 {
		worldtest.Must(o.World, access.OpenSession{SessionID: o.NewID(), Hash: secret.Hash{byte(i + 1)}, Site: "admin", PersonID: person, Factors: []string{"passkey"}, At: o.Now().Add(time.Duration(i) * time.Hour), Lifetime: time.Hour, Idle: time.Hour})
	}
	o.happen(events.SessionOpened{SessionID: worldtest.One[uuid.UUID](o.World, `select id from session order by opened_at desc limit 1`), PersonID: person, Site: "admin", NewDevice: true}, o.NewID())
	o.tell() // to the person the first session is no news, and the second was opened with a browser that is known; the staff's channel hears of the first, too
	if m := o.find(o.mails(3), "staff@life.example Sign-in with a new device"); !strings.Contains(m.Text, "https://staff.example/security") {
		t.Errorf("got %s", m.Text)
	}
}

// Doors are swept by the role of commands.
func TestDoorsAreSwept(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	registry := prometheus.NewRegistry()
	for _, door := range []policy.Swept{limiter.New(w.Pool, w.Now, slog.New(slog.DiscardHandler), registry), ephemeral.New(w.Pool, w.Now, registry)} {
		if _, err := door.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// What ended, who left and what was allowed is told to whom it concerns.
func TestMailsOfWhatEndsAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	account := o.Customer("engines@ends.example")
	ada, bob := o.NewID(), o.NewID()
	for id, email := range map[uuid.UUID]string{ada: "ada@ends.example", bob: "bob@ends.example"} {
		worldtest.Must(o.World, identity.RegisterPerson{PersonID: id, Site: "account", Email: email, PersonName: "P", Verified: true})
		worldtest.Must(o.World, membership.Change{CustomerID: account, PersonID: id, Rights: "owner", At: o.Now()})
	}
	session := o.Holdings(bob, account)
	o.Exec(`insert into recovery_code (hash, person_id, issued_at) values (sha256('x'), $1, $2)`, bob, o.Now())
	o.Exec(`delete from outbox`)
	grant := worldtest.One[uuid.UUID](o.World, `select id from oauth_grant where person_id = $1`, bob)
	o.happen(events.ApplicationAllowed{PersonID: bob, GrantID: grant}, o.NewID())
	o.happen(events.CredentialChanged{PersonID: bob, Kind: "password", Change: "reset", SessionsEnded: 2, ApplicationsEnded: 1}, o.NewID())
	worldtest.Must(o.World, membership.Leave{CustomerID: account, PersonID: bob, SessionID: session, At: o.Now()})
	o.tell()
	mails := o.mails(4)
	for subject, holds := range map[string]string{
		"bob@ends.example An application now has access to the account (unnamed)": "“App”",
		"bob@ends.example Your password was reset by email":                       "2 sessions, one application",
		"bob@ends.example Your rights in (unnamed)":                               "no longer in the account",
		"ada@ends.example Somebody has left (unnamed)":                            "bob@ends.example",
	} {
		if m := o.find(mails, subject); !strings.Contains(m.Text, holds) {
			t.Errorf("%s: %s", subject, m.Text)
		}
	}
	if m := o.find(mails, "bob@ends.example Your password was reset by email"); !strings.Contains(m.Text, "recovery codes, since 2026") {
		t.Errorf("what remains: %s", m.Text)
	}
}

// Whoever read an account's mails so far is told that they do not any more, and whoever reads them from now on, why; not who
// changed it themselves, nor whose address moved with its owner's own.
func TestMailsOfAContact(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 0, "")
	id, ada, bob := o.Customer("old@books.example"), o.NewID(), o.NewID()
	for person, name := range map[uuid.UUID]string{ada: "ada", bob: "bob"} {
		worldtest.Must(o.World, identity.RegisterPerson{PersonID: person, Site: "account", Email: name + "@books.example", PersonName: name, Verified: true})
		worldtest.Must(o.World, membership.Change{CustomerID: id, PersonID: person, Rights: "owner", At: o.Now()})
	}
	o.Exec(`delete from outbox`)
	change := func(actor, email string) {
		t.Helper()
		meta := o.Meta()
		meta.Actor = actor
		if _, err := command.Run(t.Context(), o.DB, meta, account.ChangeContact{ChangeID: o.NewID(), CustomerID: id, Email: email}); err != nil {
			t.Fatal(err)
		}
		o.tell()
	}
	change("person:"+ada.String()+" by token:"+o.NewID().String(), "Ada@books.example")
	if m := o.find(o.mails(1), "old@books.example The contact address of (unnamed) was changed"); !strings.Contains(m.Text, "ada (ada@books.example) changed") || !strings.Contains(m.Text, "from this one to ada@books.example.") {
		t.Errorf("got %s", m.Text)
	}
	change("person:"+ada.String(), "ada@books.example") // as it was
	change("person:"+ada.String(), "bob@books.example")
	mails := o.mails(3)
	o.find(mails, "ada@books.example The contact address of (unnamed) was changed")
	if m := o.find(mails, "bob@books.example This is now the contact address of (unnamed)"); !strings.Contains(m.Text, "ada made this") || !strings.Contains(m.Text, "Hello bob") {
		t.Errorf("got %s", m.Text)
	}
	change("staff:"+o.NewID().String()+" as person:"+bob.String(), "new@books.example")
	mails = o.mails(5)
	if m := o.find(mails, "bob@books.example The contact address of (unnamed) was changed"); !strings.Contains(m.Text, "Our staff changed") {
		t.Errorf("got %s", m.Text)
	}
	o.find(mails, "new@books.example This is now the contact address of (unnamed)")
	worldtest.Must(o.World, account.ChangeContact{ChangeID: o.NewID(), CustomerID: id, Email: "bob@books.example"})
	o.Exec(`delete from outbox`)
	move := identity.RequestAddress{LinkID: o.NewID(), PersonID: bob, SessionID: o.session(bob), Email: "bob@new.example", At: o.Now()}
	worldtest.Must(o.World, move)
	o.tell()
	proof := o.proof(o.find(o.mails(7), "bob@new.example Confirm your new email address"), "account")
	worldtest.Must(o.World, identity.VerifyEmail{Proof: proof, Joining: identity.Joining{CustomerID: o.NewID(), InvitationID: o.NewID()}, PersonID: bob, Contact: &id})
	o.tell()
	o.find(o.mails(8), "bob@books.example Your email address was changed") // and no other
	if got := worldtest.One[string](o.World, `select email from customer where id = $1`, id); got != "bob@new.example" {
		t.Errorf("the contact is %s", got)
	}
}
