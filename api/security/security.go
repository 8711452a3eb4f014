// Package security holds the handlers of one's own security: who one is to others, the password, passkeys, an
// authenticator, recovery codes, sessions and tokens. All of them are for a person in person; what gives or takes a way in
// wants a proof of who one is that is fresh.
//
// Hashing, drawing and sealing happen here, before the command, so that no command holds what works. What is shown once is
// in the answer and nowhere else: no key repeats these answers.
//
// Whoever sets up a first second factor has the factor in that session from then on, which lets staff in, and the
// session another token. What was begun waits in proofs.Tools.Begun under the session's id: the browser needs no other
// handle, and a second beginning takes the place of the first.
package security

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
)

// Desk is what the handlers share.
type Desk struct {
	Commands   *command.DB
	Postgres   query.Postgres // the wall
	Door       query.Postgres // reads what people prove themselves with
	Proofs     proofs.Tools
	Now        func() time.Time // the business clock
	MachineNow func() time.Time // by which sessions and codes live
}

// Rotated is an answer without a body, and the session's new token where it has one.
type Rotated struct {
	SetCookie string `header:"Set-Cookie"`
}

// nothing is the input of what takes none; an empty object is taken.
type nothing struct{ Body *struct{} }

// done is an answer without a body.
type done struct{}

// Register registers the operations.
func (d Desk) Register(t route.Table) {
	d.profileOperations(t)
	d.passkeyOperations(t)
	d.totpOperations(t)
	d.sessionOperations(t)
	d.tokenOperations(t)
}

// operation is one of this package's; what changes something answers with nothing unless it says otherwise.
func operation(method, path, id, summary string, access guard.Access) route.Operation {
	return route.Operation{Method: method, Path: path, ID: id, Tag: "security", Summary: summary, Access: access}
}

func inPerson() guard.Access { return guard.Self().InPerson() }

func fresh() guard.Access { return guard.Self().Fresh() }

func created(op route.Operation) route.Operation {
	op.Status = http.StatusCreated
	return op
}

func (d Desk) meta(ctx context.Context) command.Meta {
	return guard.Meta(ctx, d.Now())
}

// sitting is the session that asks, and the token that it gets if the change is one that exchanges it.
func sitting(p *guard.Principal) (credential.Sitting, token.Token) {
	t := token.New(token.Session)
	return credential.Sitting{SessionID: p.Session, Was: p.SessionHash, Hash: t.Hash(), TwoFactors: p.TwoFactors()}, t
}

// manage runs a change at a session and gives the cookie's header: empty where the token stayed as it was.
func manage(ctx context.Context, d Desk, c command.Command[credential.Managed], t token.Token) (string, error) {
	managed, err := command.Run(ctx, d.Commands, d.meta(ctx), c)
	if err != nil || !managed.Rotated {
		return "", err
	}
	cookie := guard.Cookie(guard.SiteOf(ctx), t.Reveal())
	return cookie.String(), nil
}

// begunTries bounds how often two beginnings of one session may meet.
const begunTries = 3

// begunKey is where a session's ceremony of a kind waits.
func begunKey(p *guard.Principal) secret.Hash { return secret.Hash(hash(p.Session[:])) }

// begin keeps what was begun, in place of what was begun before.
func (d Desk) begin(ctx context.Context, kind string, p *guard.Principal, value []byte, life time.Duration) error {
	err := ephemeral.ErrExists
	for try := 0; try < begunTries && errors.Is(err, ephemeral.ErrExists); try++ {
		if _, taken := d.Proofs.Begun.Take(ctx, kind, begunKey(p)); taken != nil && !errors.Is(taken, ephemeral.ErrGone) {
			return taken
		}
		err = d.Proofs.Begun.Put(ctx, kind, begunKey(p), value, life)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", kind, err)
	}
	return nil
}

// over is what to tell of something that was not begun, or took too long.
func over(err error, code string) error {
	if errors.Is(err, ephemeral.ErrGone) {
		return fault.New(fault.Conflict, code, "this was not begun in this session, or too long ago: begin again")
	}
	return err
}
