// Package login lets people in: by a password, with a second factor where there is one, or by a passkey, which is both.
// It also takes the proofs of those who are in already, and lets them choose the account that they look at.
//
// # What a stranger learns
//
// Somebody who is refused is told one thing, whether there is no such person, no password, a wrong one, or one who is
// suspended; and each takes as long as the others: one hash, one look-up, one command that notes it. That a mail address
// was never verified, or that a second factor is wanted, is told to who knows the password.
//
// # How often
//
// Every open operation is counted by its guard.Class, per network and in all. What is guessed at is counted here as well:
// guesses at a password per person, or per mail address that nobody has; guesses at a second factor per person, and five
// for one password that was right. A success gives its own token back. Passkeys have nothing to guess, and no limit of a
// person's stands before them: whoever uses up the guesses at somebody's password has not locked them out.
//
// # Half-way
//
// Who has shown the password and lacks the rest has a cookie of its own, whose hash finds what was begun: for which site
// and person, how many tries are left, and a hash of the password's hash. The person is read again at each step, so who
// was suspended meanwhile, or has another password, is not let in by the old one. It ends with its use, and after ten
// minutes. A passkey's ceremony lies under the same cookie, and is taken before it is looked at: an answer counts once.
package login

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/command"
	accesscmd "github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/query/access"
)

// Desk is what the handlers share.
type Desk struct {
	Commands *command.DB
	Door     guard.Door
	Proofs   proofs.Tools
	Sessions session.Keeper
	Log      *slog.Logger
	SignIns  *prometheus.CounterVec // of NewSignIns
}

// NewSignIns counts proofs by site, factor and outcome: opened, refused.
func NewSignIns(reg prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_sign_ins_total", Help: "Sign-ins that opened a session, by the last factor, and proofs that were refused, step-ups among them."},
		[]string{"site", "factor", "outcome"})
	reg.MustRegister(c)
	return c
}

// SignIn is a session, or what is wanted before there is one.
type SignIn struct {
	Session *session.Session `json:"session,omitempty"`
	Next    string           `json:"next,omitempty" enum:"second_factor" doc:"What is wanted still; absent: nothing"`
	Methods []string         `json:"methods,omitempty" enum:"passkey,totp,recovery_code" nullable:"false" doc:"By which it can be shown"`
}

// Output is an answer and its cookies.
type Output struct {
	SetCookie []string `header:"Set-Cookie"`
	Body      SignIn
}

// Register registers the operations.
func (d Desk) Register(t route.Table) {
	const tag = "login"
	post := func(access guard.Access, path, id, summary string) route.Operation {
		return route.Operation{Method: http.MethodPost, Path: path, ID: id, Tag: tag, Summary: summary, Access: access}
	}
	route.ServeRaw(t, post(guard.Open(guard.Password), "/login", "sign-in", "Sign in by a password"), d.signIn)
	route.ServeRaw(t, post(guard.Open(guard.Code), "/login/totp", "sign-in-totp", "Show an authenticator's code after the password"), d.signInTOTP)
	route.ServeRaw(t, post(guard.Open(guard.Code), "/login/recovery-code", "sign-in-recovery-code", "Use a recovery code up after the password"), d.signInRecoveryCode)
	route.ServeRaw(t, post(guard.Open(guard.Passkey), "/login/passkey/options", "begin-passkey-sign-in", "Options of a passkey, alone or after the password"), d.beginPasskey)
	route.ServeRaw(t, post(guard.Open(guard.Passkey), "/login/passkey", "sign-in-passkey", "Sign in by a passkey's answer to the options"), d.signInPasskey)

	self := guard.Self().InPerson()
	route.ServeRaw(t, post(self, "/me/proof/password", "prove-password", "Prove again who one is, by the password"), d.provePassword)
	route.ServeRaw(t, post(self, "/me/proof/totp", "prove-totp", "Prove again who one is, by an authenticator's code"), d.proveTOTP)
	route.Serve(t, post(self, "/me/proof/passkey/options", "begin-passkey-proof", "Options of a passkey, to prove again who one is"), d.beginPasskeyProof)
	route.ServeRaw(t, post(self, "/me/proof/passkey", "prove-passkey", "Prove again who one is, by a passkey's answer to the options"), d.provePasskey)
	route.ServeRaw(t, post(self, "/session/account", "choose-account", "Choose the account that the session looks at"), d.chooseAccount)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/me/accounts", ID: "list-own-accounts", Tag: tag, Summary: "Accounts that one is in", Access: self}, d.listAccounts)
}

// enter opens the session of somebody who has shown all that is wanted, and takes the cookie of what was begun. The person's
// password is the one that there was when they showed it.
func (d Desk) enter(ctx context.Context, person access.Credentials, remember bool, factors ...string) (*Output, error) {
	if person.EmailVerifiedAt == nil {
		return nil, problem.New(ctx, http.StatusForbidden, "email_not_verified", "this mail address was not verified yet: follow the link that was mailed to it")
	}
	site := guard.Site(person.Site)
	lifetime, idle := session.Lifetimes(site, remember)
	opening := session.Opening{Site: site, Person: person.PersonID, Factors: factors, Lifetime: lifetime, Idle: idle, Password: sha256.Sum256([]byte(person.PasswordHash))}
	opened, err := d.Sessions.Open(ctx, opening)
	if fault.Is(err, fault.Forbidden) { // suspended, or the password changed, in this moment
		return nil, refused(ctx)
	}
	if err != nil {
		return nil, err
	}
	d.SignIns.WithLabelValues(person.Site, factors[len(factors)-1], "opened").Inc()
	begun := cookie("")
	return &Output{SetCookie: append(opened.SetCookie, begun.String()), Body: SignIn{Session: &opened.Body}}, nil
}

// refused is the one thing that is told to somebody who is not let in.
func refused(ctx context.Context) error {
	return problem.New(ctx, http.StatusUnauthorized, "sign_in_refused", "that does not fit: check the email address and what you sign in with")
}

// over is of something that was begun and is not there any more.
func over(ctx context.Context) error {
	return problem.New(ctx, http.StatusUnauthorized, "sign_in_over", "this sign-in is over: begin again")
}

// refuse notes a proof that was wrong, and refuses.
func (d Desk) refuse(ctx context.Context, site guard.Site, person uuid.UUID, factor string) error {
	d.SignIns.WithLabelValues(string(site), factor, "refused").Inc()
	note := accesscmd.RecordRefusal{PersonID: person, Site: string(site), Factor: factor}
	if person == uuid.Nil {
		note.PersonID, note.Unknown = uuid.New(), true
	}
	if _, err := command.Run(ctx, d.Commands, d.Sessions.Meta(ctx, guard.ActorOf(ctx)), note); err != nil {
		return err
	}
	return refused(ctx)
}

// giveBack returns a token after a success; a failure costs the person one guess, and is no reason to refuse them.
func (d Desk) giveBack(ctx context.Context, key limiter.Key) {
	if err := d.Proofs.Limiter.Give(ctx, key); err != nil {
		d.Log.WarnContext(ctx, "a guess was not given back", "request_id", problem.RequestID(ctx), "limit", key.Limit.Name, "error", err)
	}
}

// methods are the second factors that a person can show.
func methods(person access.Credentials) []string {
	all := map[string]bool{guard.FactorPasskey: person.Passkeys > 0, guard.FactorTOTP: person.TOTPSeed != nil, guard.FactorRecoveryCode: person.RecoveryCodes > 0}
	return slices.DeleteFunc([]string{guard.FactorPasskey, guard.FactorTOTP, guard.FactorRecoveryCode}, func(m string) bool { return !all[m] })
}
