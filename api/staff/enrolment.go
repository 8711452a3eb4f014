package staff

import (
	"context"
	"crypto/sha256"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	query "github.com/ezscale/platform/query/access"
)

// Enrolment is what somebody sends who came by an enrolment link.
type Enrolment struct {
	Token    secret.Text `json:"token" maxLength:"100" doc:"The part of the link after #"`
	Password secret.Text `json:"password" maxLength:"1024"`
}

// UseEnrolment sets the password of whoever came by an enrolment link, and signs them in. A session of a password alone
// may do nothing but set up a second factor: the guard holds that. The token of the new session is for its cookie.
func (d Desk) UseEnrolment(ctx context.Context, in *struct{ Body Enrolment }) (token.Token, error) {
	if _, err := guard.NeedSite(ctx, guard.SiteAdmin); err != nil {
		return token.Token{}, err
	}
	now, hash := d.MachineNow(), secret.Hash(sha256.Sum256([]byte(in.Body.Token.Reveal())))
	link, err := query.FindLink(ctx, d.Door, string(guard.SiteAdmin), hash, now)
	if fault.Is(err, fault.NotFound) || err == nil && link.Purpose != access.PurposeEnrolment {
		return token.Token{}, access.LinkNotValid()
	}
	if err != nil {
		return token.Token{}, err
	}
	if err := d.Proofs.CheckPassword(in.Body.Password, link.Email, link.PersonName); err != nil {
		return token.Token{}, err
	}
	stored, err := d.Proofs.Hasher.Hash(ctx, in.Body.Password)
	if err != nil {
		return token.Token{}, err
	}
	opened := token.New(token.Session)
	lifetime, idle := session.Lifetimes(guard.SiteAdmin, false)
	order := access.Enrol{LinkID: link.ID, TokenHash: hash, PasswordHash: stored, Session: access.OpenSession{
		SessionID: uuid.New(), Hash: opened.Hash(), Site: string(guard.SiteAdmin), PersonID: *link.PersonID, Factors: []string{guard.FactorPassword},
		At: now, Lifetime: lifetime, Idle: idle, Replaces: replaced(ctx)}}
	_, err = command.Run(ctx, d.Commands, d.metaOf(ctx, "staff:"+link.PersonID.String()), order)
	return opened, err
}

// metaOf is for an order of somebody who has only now proved who they are.
func (d Desk) metaOf(ctx context.Context, actor string) command.Meta {
	meta := d.meta(ctx)
	meta.Actor = actor
	return meta
}

// replaced is the session that the browser had, which ends.
func replaced(ctx context.Context) *uuid.UUID {
	if p := guard.PrincipalOf(ctx); p != nil && p.InPerson() {
		return &p.Session
	}
	return nil
}
