package people

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// LinkBody is the token of a mailed link.
type LinkBody struct {
	Token secret.Text `json:"token" maxLength:"200" doc:"What stands behind the # of the link"`
}

// LinkDetail is what a mailed link is for.
type LinkDetail struct {
	Purpose      string    `json:"purpose" enum:"verify_email,reset_password,invitation,enrolment"`
	Email        string    `json:"email"`
	Account      string    `json:"account,omitempty" doc:"Of an invitation"`
	Rights       string    `json:"rights,omitempty" doc:"Of an invitation: owner, billing, technical, read_only"`
	ExpiresAt    time.Time `json:"expires_at"`
	PersonExists bool      `json:"person_exists" doc:"Somebody here has this address: sign in to accept"`
	AsksPassword bool      `json:"asks_password" doc:"Of a registration: verifying it takes the password that it was made with"`
}

// found is a link that works, and the proof that it was followed.
type found struct {
	access.Link
	proof identity.Proof
}

// find finds the link of a token. A purpose, when not empty, is the only one that will do. Whatever is wrong is one error.
func (d Desk) find(ctx context.Context, text secret.Text, purpose string) (found, error) {
	site := string(guard.SiteOf(ctx))
	t, err := token.Parse(token.Link, text.Reveal())
	if err != nil {
		return found{}, identity.InvalidLink()
	}
	now := d.MachineNow()
	link, err := access.FindLink(ctx, d.Door, site, t.Hash(), now)
	if fault.Is(err, fault.NotFound) || err == nil && purpose != "" && link.Purpose != purpose {
		return found{}, identity.InvalidLink()
	}
	return found{Link: link, proof: identity.Proof{LinkID: link.ID, Hash: t.Hash(), Site: site, At: now}}, err
}

func (d Desk) look(ctx context.Context, in *struct{ Body LinkBody }) (LinkDetail, error) {
	l, err := d.find(ctx, in.Body.Token, "")
	if err != nil {
		return LinkDetail{}, err
	}
	registration, err := d.registration(ctx, l)
	return LinkDetail{Purpose: l.Purpose, Email: l.Email, Account: l.Account, Rights: l.Rights, ExpiresAt: l.ExpiresAt, PersonExists: l.PersonExists,
		AsksPassword: registration != nil}, err
}

// registration is whose address a link verifies for the first time, if they chose a password when they registered; else nil.
func (d Desk) registration(ctx context.Context, l found) (*access.Credentials, error) {
	if l.Purpose != identity.PurposeVerify || l.PersonID == nil {
		return nil, nil
	}
	person, err := access.FindCredentials(ctx, d.Door, string(guard.SiteOf(ctx)), l.PersonID.String())
	if err != nil || person.EmailVerifiedAt != nil || person.Email != l.Email || person.PasswordHash == "" {
		return nil, err
	}
	return &person, nil
}

// VerifyBody is the token of a link and, of a registration, the password that it was made with.
type VerifyBody struct {
	LinkBody
	Password secret.Text `json:"password,omitempty" maxLength:"1024" doc:"Of a registration"`
}

func joining() identity.Joining {
	return identity.Joining{CustomerID: uuid.New(), InvitationID: uuid.New()}
}

// verify takes the password of a registration, too: whoever reads an address must not, by following a link that somebody
// else has had sent to it, open an account there of which the other one knows the password.
func (d Desk) verify(ctx context.Context, in *struct{ Body VerifyBody }) (EmailBody, error) {
	l, err := d.find(ctx, in.Body.Token, identity.PurposeVerify)
	if err != nil {
		return EmailBody{}, err
	}
	registration, err := d.registration(ctx, l)
	if err == nil && registration != nil {
		err = d.sameWho(ctx, *registration, in.Body.Password)
	}
	if err != nil {
		return EmailBody{}, err
	}
	order := identity.VerifyEmail{Proof: l.proof, Joining: joining(), PersonID: *l.PersonID, Contact: l.ContactOf}
	if p := guard.PrincipalOf(ctx); p != nil && p.InPerson() && p.Impersonator == nil && p.Person == *l.PersonID {
		order.But = &p.Session
	}
	_, err = command.Run(ctx, d.Commands, d.meta(ctx), order)
	return EmailBody{Email: l.Email}, err
}

// sameWho asks for the password that a registration was made with. A later registration revokes the links of earlier ones,
// so the password at hand is the one that the link was sent for.
func (d Desk) sameWho(ctx context.Context, person access.Credentials, given secret.Text) error {
	guesses := proofs.PasswordGuesses(guard.SiteOf(ctx), person.PersonID, "")
	if err := d.Proofs.Attempt(ctx, guesses); err != nil {
		return err
	}
	result, err := d.Proofs.Hasher.Verify(ctx, person.PasswordHash, given)
	if err != nil {
		return err
	}
	if !result.Match {
		var fields fault.Fields
		fields.Add("password", "is not the one that this account was opened with; if it is forgotten, set another by “Forgot your password?”")
		return fields.Err()
	}
	return d.Proofs.Limiter.Give(ctx, guesses)
}

// PasswordReset is a new password, by a link.
type PasswordReset struct {
	LinkBody
	Password secret.Text `json:"password" maxLength:"1024"`
}

// reset sets the password. One that is not good enough does not use the link up.
func (d Desk) reset(ctx context.Context, in *struct{ Body PasswordReset }) (*struct{}, error) {
	l, err := d.find(ctx, in.Body.Token, identity.PurposeReset)
	if err != nil {
		return nil, err
	}
	hash, err := d.newPassword(ctx, in.Body.Password, l.Email, l.PersonName)
	if err != nil {
		return nil, err
	}
	order := identity.ResetPassword{Proof: l.proof, Joining: joining(), PersonID: *l.PersonID, PasswordHash: hash}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), order); err != nil {
		return nil, err
	}
	// Guesses at the old password are no reason to keep the owner of the new one waiting; if that fails, they wait.
	_ = d.Proofs.Limiter.Reset(ctx, proofs.PasswordGuesses(guard.SiteOf(ctx), *l.PersonID, ""))
	return &struct{}{}, nil
}
