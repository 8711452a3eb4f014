package login

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/api/session"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/access"
)

// notProved is told to somebody who is signed in and has shown the wrong thing. It is no 401: the session goes on.
func notProved(ctx context.Context) error {
	return problem.New(ctx, http.StatusForbidden, "proof_refused", "that does not fit")
}

type proofPasswordInput struct {
	Body struct {
		Password secret.Text `json:"password" maxLength:"1024"`
	}
}

func (d Desk) provePassword(ctx context.Context, in *proofPasswordInput) (*session.Output, error) {
	return d.prove(ctx, guard.FactorPassword, func(person access.Credentials) (bool, error) {
		return d.verify(ctx, &person, in.Body.Password)
	})
}

func (d Desk) proveTOTP(ctx context.Context, in *struct{ Body signInCode }) (*session.Output, error) {
	return d.prove(ctx, guard.FactorTOTP, func(person access.Credentials) (bool, error) {
		return d.useTOTP(ctx, person, in.Body.Code)
	})
}

// prove takes a proof that can be guessed from whoever is signed in. A right one costs an attempt as well: it takes a hash,
// and nothing else counts what is not open to strangers.
func (d Desk) prove(ctx context.Context, factor string, shown func(access.Credentials) (bool, error)) (*session.Output, error) {
	p := guard.PrincipalOf(ctx)
	if err := d.Proofs.Attempt(ctx, proofs.ProofAttempts(p.Person)); err != nil {
		return nil, err
	}
	person, err := access.FindCredentials(ctx, d.Door, string(p.Site), p.Person.String())
	if err != nil {
		return nil, err
	}
	right, err := shown(person)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, notProvedBut(ctx, d.refuse(ctx, p.Site, p.Person, factor))
	}
	return d.Sessions.Prove(ctx, factor)
}

// notProvedBut tells a refusal in the words for who is signed in, and other errors as they are.
func notProvedBut(ctx context.Context, err error) error {
	var refusal *problem.Problem
	if errors.As(err, &refusal) {
		return notProved(ctx)
	}
	return err
}

// ceremonyOf is where the ceremony of a session lies.
func ceremonyOf(session uuid.UUID) secret.Hash { return sha256.Sum256(session[:]) }

func (d Desk) beginPasskeyProof(ctx context.Context, _ *struct{}) (AssertionOptions, error) {
	p := guard.PrincipalOf(ctx)
	return d.ask(ctx, proofKind, ceremonyOf(p.Session), p.Site, p.Person)
}

func (d Desk) provePasskey(ctx context.Context, in *struct {
	Body struct {
		Response json.RawMessage `json:"response" doc:"AuthenticationResponseJSON, WebAuthn Level 3"`
	}
}) (*session.Output, error) {
	p := guard.PrincipalOf(ctx)
	if err := d.assert(ctx, proofKind, ceremonyOf(p.Session), p.Site, p.Person, in.Body.Response); err != nil {
		return nil, notProvedBut(ctx, err)
	}
	return d.Sessions.Prove(ctx, guard.FactorPasskey)
}

func (d Desk) chooseAccount(ctx context.Context, in *struct {
	Body struct {
		CustomerID uuid.UUID `json:"customer_id" format:"uuid"`
	}
}) (*session.Output, error) {
	return d.Sessions.Choose(ctx, in.Body.CustomerID)
}

func (d Desk) listAccounts(ctx context.Context, _ *struct{}) (query.List[access.OwnAccount], error) {
	all, err := access.ListAccounts(ctx, d.Door, guard.PrincipalOf(ctx).Person)
	return query.List[access.OwnAccount]{Items: all}, err
}
