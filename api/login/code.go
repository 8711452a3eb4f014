package login

import (
	"context"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query/access"
)

type signInCode struct {
	Code secret.Text `json:"code" maxLength:"64"`
}

type codeInput struct {
	Cookie string `cookie:"__Host-login" doc:"Given by the password"`
	Body   signInCode
}

func (d Desk) signInTOTP(ctx context.Context, in *codeInput) (*Output, error) {
	return d.signInCode(ctx, in, guard.FactorTOTP, d.useTOTP)
}

func (d Desk) signInRecoveryCode(ctx context.Context, in *codeInput) (*Output, error) {
	return d.signInCode(ctx, in, guard.FactorRecoveryCode, d.useRecoveryCode)
}

// signInCode is what both codes have in common: one try of the five, one guess of the person's.
func (d Desk) signInCode(ctx context.Context, in *codeInput, factor string, use func(context.Context, access.Credentials, secret.Text) (bool, error)) (*Output, error) {
	b, err := d.try(ctx, in.Cookie)
	if err != nil {
		return nil, err
	}
	guesses := proofs.CodeGuesses(b.person.PersonID, factor)
	if err := d.Proofs.Attempt(ctx, guesses); err != nil {
		return nil, err
	}
	right, err := use(ctx, b.person, in.Body.Code)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, d.refuse(ctx, b.Site, b.person.PersonID, factor)
	}
	d.giveBack(ctx, guesses)
	return d.complete(ctx, b, factor)
}

// useTOTP compares a code by the machine's clock, and uses it up.
func (d Desk) useTOTP(ctx context.Context, person access.Credentials, code secret.Text) (bool, error) {
	if person.TOTPSeed == nil {
		return false, nil
	}
	seed, err := d.Proofs.Vault.Open(ctx, person.TOTPSeed, proofs.Seeds().At(person.PersonID.String()))
	if err != nil {
		return false, err
	}
	step, ok, err := otp.Match(seed, code.Reveal(), d.Sessions.MachineNow())
	if err != nil || !ok {
		return false, err
	}
	return used(ctx, d, credential.UseTOTP{PersonID: person.PersonID, Step: step})
}

// useRecoveryCode uses a code up, if it is one of the person's.
func (d Desk) useRecoveryCode(ctx context.Context, person access.Credentials, code secret.Text) (bool, error) {
	hash, err := otp.HashRecoveryCode(code.Reveal())
	if err != nil {
		return false, nil // what cannot be a code is a wrong one
	}
	return used(ctx, d, credential.UseRecoveryCode{PersonID: person.PersonID, Hash: hash})
}

// used runs the command that uses a proof up; false: it no longer counts.
func used(ctx context.Context, d Desk, c command.Command[credential.Used]) (bool, error) {
	_, err := command.Run(ctx, d.Commands, d.Sessions.Meta(ctx, guard.ActorOf(ctx)), c)
	if fault.Is(err, fault.Forbidden) {
		return false, nil
	}
	return err == nil, err
}
