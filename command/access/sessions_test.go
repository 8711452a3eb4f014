package access_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	query "github.com/ezscale/platform/query/access"
)

// world is a company with one person, who is in an account.
type world struct {
	*worldtest.World
	person, account uuid.UUID
	at              time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: worldtest.New(t), at: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	w.account = w.Customer("a@example.com")
	w.person = worldtest.Must(w.World, identity.RegisterPerson{PersonID: w.NewID(), Site: "account", Email: "p@example.com", PersonName: "P", Verified: true}).PersonID
	worldtest.Must(w.World, membership.Change{CustomerID: w.account, PersonID: w.person, Rights: "owner", At: w.Now()})
	return w
}

func (w *world) order(t token.Token) access.OpenSession {
	return access.OpenSession{SessionID: uuid.New(), Hash: t.Hash(), Site: "account", PersonID: w.person, Factors: []string{"password"}, At: w.at, Lifetime: 12 * time.Hour, Idle: time.Hour}
}

// found tells whether a session's token opens something, at a time and on a site.
func (w *world) found(t token.Token, site string, at time.Time) bool {
	w.Helper()
	s, err := query.FindSession(w.Context(), w.Pool, site, t.Hash(), at)
	if err != nil && !fault.Is(err, fault.NotFound) {
		w.Fatal(err)
	}
	return err == nil && s.PersonID == w.person && *s.CustomerID == w.account && s.Rights == "owner"
}

func TestSessionsLastAsLongAsTheyAreUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := token.New(token.Session)
	order := w.order(own)
	worldtest.Must(w.World, order)
	for _, c := range []struct {
		site  string
		after time.Duration
		want  bool
	}{{"account", 0, true}, {"account", time.Hour - time.Second, true}, {"account", time.Hour, false}, {"admin", 0, false}} {
		if got := w.found(own, c.site, w.at.Add(c.after)); got != c.want {
			t.Errorf("on the %s site after %s: %v, want %v", c.site, c.after, got, c.want)
		}
	}
	for h := range 13 { // used twice an hour, it ends after twelve all the same
		for m := range 2 {
			at := w.at.Add(time.Duration(h)*time.Hour + time.Duration(m)*30*time.Minute)
			if got, want := w.found(own, "account", at), h < 12; got != want {
				t.Errorf("after %s: %v, want %v", at.Sub(w.at), got, want)
			}
			if err := access.SessionSeen(t.Context(), w.Pool, order.SessionID, at, w.Meta().IP); err != nil {
				t.Fatal(err)
			}
		}
	}
	if w.found(token.New(token.Session), "account", w.at) {
		t.Error("another token opens something")
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second, third := token.New(token.Session), token.New(token.Session), token.New(token.Session)
	one, two, three := w.order(first), w.order(second), w.order(third)
	if got := worldtest.Must(w.World, one); !got.NewDevice {
		t.Error("the first device of all is no new one")
	}
	if got := worldtest.Must(w.World, two); got.NewDevice {
		t.Error("a device is new twice")
	}
	worldtest.Must(w.World, access.EndSession{SessionID: one.SessionID, PersonID: w.NewID(), At: w.at}) // another's
	worldtest.CheckChanged(w.World, "access.EndSession", "")
	if !w.found(first, "account", w.at) {
		t.Error("somebody else ended the session")
	}
	three.Replaces = &two.SessionID
	worldtest.Must(w.World, three)
	if w.found(second, "account", w.at) || !w.found(third, "account", w.at) {
		t.Error("the new session does not stand in the old one's place")
	}
	worldtest.Must(w.World, access.EndSessions{PersonID: w.person, But: &three.SessionID, At: w.at})
	worldtest.CheckChanged(w.World, "access.EndSessions", `{"open_sessions": 1} {"open_sessions": 0}`)
	if w.found(first, "account", w.at) || !w.found(third, "account", w.at) {
		t.Error("not all but the own session ended")
	}
	if got := worldtest.Must(w.World, access.EndSession{SessionID: three.SessionID, PersonID: w.person, At: w.at}); got.Sessions != 1 || w.found(third, "account", w.at) {
		t.Errorf("ended %+v", got)
	}
	left, err := query.FindSessions(t.Context(), w.Pool, []uuid.UUID{one.SessionID, two.SessionID, three.SessionID}, w.at)
	if err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// Who is signed out by the person at another session does not move the address after that.
func TestSigningOutElsewhereEndsAChangeOfAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	thief, own := w.order(token.New(token.Session)), w.order(token.New(token.Session))
	worldtest.Must(w.World, thief)
	worldtest.Must(w.World, own)
	other := worldtest.Must(w.World, identity.RegisterPerson{PersonID: w.NewID(), Site: "account", Email: "o@example.com", PersonName: "O", Verified: true}).PersonID
	theirs := w.order(token.New(token.Session))
	theirs.PersonID = other
	worldtest.Must(w.World, theirs)
	ask := func(o access.OpenSession, email string) uuid.UUID {
		link := w.NewID()
		worldtest.Must(w.World, identity.RequestAddress{LinkID: link, PersonID: o.PersonID, SessionID: o.SessionID, Email: email, At: w.at})
		return link
	}
	moved, kept := ask(thief, "thief@example.com"), ask(theirs, "new@example.com")
	works := func(link uuid.UUID) bool {
		return worldtest.One[bool](w.World, `select revoked_at is null from link where id = $1`, link)
	}
	if !works(moved) || !works(kept) {
		t.Fatal("the links do not work to begin with")
	}
	worldtest.Must(w.World, identity.RequestReset{LinkID: w.NewID(), Site: "account", Email: "p@example.com", At: w.at})
	worldtest.Must(w.World, access.EndSessions{PersonID: w.person, But: &own.SessionID, At: w.at})
	if works(moved) || !works(kept) {
		t.Errorf("the thief's link works: %v, somebody else's: %v", works(moved), works(kept))
	}
	if n := worldtest.One[int](w.World, `select count(*) from link where person_id = $1 and revoked_at is null`, w.person); n != 1 {
		t.Errorf("%d links are left: the one to another password goes to the person's own address, and stays", n)
	}
	worldtest.Refused(w.World, identity.RequestAddress{LinkID: w.NewID(), PersonID: w.person, SessionID: thief.SessionID, Email: "thief@example.com", At: w.at}, fault.Forbidden, "session_over")
	if !works(ask(own, "mine@example.com")) {
		t.Error("the session that goes on asks for nothing any more")
	}
}

// So with one other session, and not with the one's own.
func TestSigningOutOneOtherSessionEndsAChangeOfAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link := w.NewID()
	sit := func() uuid.UUID {
		o := w.order(token.New(token.Session))
		worldtest.Must(w.World, o)
		worldtest.Must(w.World, identity.RequestAddress{LinkID: link, PersonID: o.PersonID, SessionID: o.SessionID, Email: "new@example.com", At: w.at})
		return o.SessionID
	}
	works := func() bool {
		return worldtest.One[bool](w.World, `select revoked_at is null from link where id = $1`, link)
	}
	own := access.EndSession{SessionID: sit(), PersonID: w.person, At: w.at}
	worldtest.Must(w.World, own)
	if !works() {
		t.Error("logging out takes back what the person asked for before")
	}
	link = w.NewID()
	others := access.EndSession{SessionID: sit(), PersonID: w.NewID(), Elsewhere: true, At: w.at}
	worldtest.Must(w.World, others)
	if !works() {
		t.Error("somebody else has taken it back")
	}
	others.PersonID = w.person
	worldtest.Must(w.World, others)
	if works() {
		t.Error("whoever sat there can still move the address")
	}
	link = w.NewID()
	sit()
	worldtest.Must(w.World, others) // over already: what another session asked for stays
	if !works() {
		t.Error("a session that is over takes something back")
	}
}

// Whoever asks for a change of address in the moment in which their session ends has none in the end.
func TestNoChangeOfAddressOutlivesItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 20 {
		o := w.order(token.New(token.Session))
		worldtest.Must(w.World, o)
		link := uuid.New()
		var all sync.WaitGroup
		all.Go(func() {
			ask := identity.RequestAddress{LinkID: link, PersonID: w.person, SessionID: o.SessionID, Email: "new@example.com", At: w.at}
			if _, err := command.Run(context.Background(), w.DB, w.Meta(), ask); err != nil && !fault.Is(err, fault.Forbidden) {
				t.Error(err)
			}
		})
		all.Go(func() {
			end := access.EndSession{SessionID: o.SessionID, PersonID: w.person, Elsewhere: true, At: w.at}
			if _, err := command.Run(context.Background(), w.DB, w.Meta(), end); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if n := worldtest.One[int](w.World, `select count(*) from link where id = $1 and revoked_at is null`, link); n != 0 {
			t.Fatal("a link that was asked for at the session works after its end")
		}
	}
}

// Of a person who had no password, too: a session that is opened while they are given one ends with it, or is none.
func TestNoSessionOutlivesAFirstPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 20 {
		w.Exec(`delete from password`)
		o := w.order(token.New(token.Session))
		o.Factors, o.Password = []string{"passkey"}, sha256.Sum256(nil)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := command.Run(context.Background(), w.DB, w.Meta(), o); err != nil && !fault.Is(err, fault.Forbidden) {
				t.Error(err)
			}
		})
		all.Go(func() {
			set := credential.SetPassword{PersonID: w.person, Hash: secret.New("hash"), At: w.at}
			if _, err := command.Run(context.Background(), w.DB, w.Meta(), set); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if n := worldtest.One[int](w.World, `select count(*) from session where ended_at is null`); n != 0 {
			t.Fatal("a session from before the password works")
		}
	}
}

// Somebody who signs in for ever has fifty sessions, also when all of it happens at once.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, seen := token.New(token.Session), token.New(token.Session)
	worldtest.Must(w.World, w.order(first))
	order := w.order(seen)
	worldtest.Must(w.World, order)
	if err := access.SessionSeen(t.Context(), w.Pool, order.SessionID, w.at.Add(time.Minute), w.Meta().IP); err != nil {
		t.Fatal(err)
	}
	w.at = w.at.Add(time.Second)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 13 {
				mine := token.New(token.Session)
				if _, err := command.Run(context.Background(), w.DB, w.Meta(), w.order(mine)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	last := token.New(token.Session)
	worldtest.Must(w.World, w.order(last))
	if n := worldtest.One[int](w.World, `select count(*) from session where ended_at is null`); n != 50 {
		t.Errorf("%d sessions are open", n)
	}
	if w.found(first, "account", w.at) || !w.found(seen, "account", w.at) || !w.found(last, "account", w.at) {
		t.Error("the one that was not seen for the longest time has to go, and no other")
	}
}

func TestWhoIsNotActiveHasNoSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := token.New(token.Session)
	order := w.order(own)
	worldtest.Must(w.World, order)
	w.Exec(`update person set status = 'suspended' where id = $1`, w.person)
	if w.found(own, "account", w.at) {
		t.Error("a suspended person's session works on")
	}
	if left, err := query.FindSessions(t.Context(), w.Pool, []uuid.UUID{order.SessionID}, w.at); len(left) != 0 || err != nil {
		t.Error("a suspended person's streams flow on")
	}
	worldtest.Refused(w.World, w.order(token.New(token.Session)), fault.Forbidden, "person_not_active")
	w.Exec(`update person set status = 'active' where id = $1`, w.person)
	foreign := w.order(token.New(token.Session))
	foreign.Site = "admin"
	worldtest.Refused(w.World, foreign, fault.Forbidden, "person_not_active")
}

func TestNoOrderHoldsAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := token.New(token.Session)
	worldtest.Must(w.World, w.order(own))
	hash := own.Hash()
	n := worldtest.One[int](w.World, `select count(*) from (select a::text as t from audit a union all select i::text from idempotency i union all select o::text from outbox o) x
		where t like '%' || $1 || '%' or t like '%' || encode($2, 'hex') || '%' or t like '%' || encode($2, 'base64') || '%'`, own.Reveal(), hash[:])
	if n != 0 {
		t.Errorf("%d rows hold the session's token or its hash", n)
	}
}

func TestTheDoorNotesUseAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := token.New(token.Session)
	order := w.order(own)
	worldtest.Must(w.World, order)
	door := w.Database.Pool(postgres.RoleDoor)
	if err := access.SessionSeen(t.Context(), door, order.SessionID, w.at.Add(time.Minute), w.Meta().IP); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`update session set person_id = person_id`, `update session set expires_at = now() + interval '1 year'`, `delete from session`,
		`insert into session select * from session`, `update person set status = 'active'`, `update password set hash = ''`, `update membership set rights = 'owner'`} {
		if _, err := door.Exec(t.Context(), sql); err == nil {
			t.Errorf("the door may %s", sql)
		}
	}
}

func TestOrdersOfSessionsAreChecked(t *testing.T) {
	t.Parallel()
	good := access.OpenSession{SessionID: uuid.New(), Hash: token.New(token.Session).Hash(), Site: "account", PersonID: uuid.New(), Factors: []string{"password"},
		At: time.Now(), Lifetime: time.Hour, Idle: time.Hour}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*access.OpenSession){
		"session_id": func(c *access.OpenSession) { c.SessionID = uuid.Nil }, "person_id": func(c *access.OpenSession) { c.PersonID = uuid.Nil },
		"hash": func(c *access.OpenSession) { c.Hash = [32]byte{} }, "factors": func(c *access.OpenSession) { c.Factors = nil },
		"lifetime": func(c *access.OpenSession) { c.Lifetime = 91 * 24 * time.Hour }, "idle": func(c *access.OpenSession) { c.Idle = 2 * time.Hour },
		"at": func(c *access.OpenSession) { c.At = time.Time{} },
	} {
		c := good
		change(&c)
		worldtest.CheckField(t, c.Validate(), field)
	}
}
