package security

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/otp"
	"github.com/ezscale/platform/internal/secret"
)

const (
	enrolling    = "security.totp" // the kind of an authenticator's seed that was begun
	enrollingFor = 10 * time.Minute
)

// TOTPSeed is a new authenticator's, shown once: it is set up when a code of it was given.
type TOTPSeed struct {
	Secret string `json:"secret" doc:"Base32, to be typed"`
	URI    string `json:"uri" doc:"otpauth:, to be opened on the same device"`
	QR     QRCode `json:"qr" doc:"The URI, to be looked at"`
}

// QRCode is a code's modules, without the quiet zone of four around it.
type QRCode struct {
	Size    int    `json:"size" doc:"Modules along each side"`
	Modules string `json:"modules" doc:"Row by row from the top left: 1 is dark" pattern:"^[01]+$"`
}

// ConfirmTOTPBody is what the authenticator shows.
type ConfirmTOTPBody struct {
	Code string `json:"code" maxLength:"20" example:"123456"`
}

// RecoveryCodes are shown once.
type RecoveryCodes struct {
	Codes []string `json:"codes" nullable:"false"`
}

func (d Desk) totpOperations(t route.Table) {
	route.Serve(t, operation(http.MethodPost, "/me/totp", "begin-totp", "Begin to set up an authenticator, or another one", fresh()), d.beginTOTP)
	route.ServeRaw(t, operation(http.MethodPost, "/me/totp/confirm", "confirm-totp", "Set up the authenticator that was begun, by a code that it shows", inPerson()), d.confirmTOTP)
	route.ServeRaw(t, operation(http.MethodDelete, "/me/totp", "remove-totp", "Remove the authenticator", fresh()), d.removeTOTP)
	route.Serve(t, operation(http.MethodPost, "/me/recovery-codes", "issue-recovery-codes", "Make new recovery codes; those from before are worth nothing", fresh()), d.issueRecoveryCodes)
}

// beginTOTP seals the seed for the row that it may come to lie in, so that what waits is worth nothing to anybody else.
func (d Desk) beginTOTP(ctx context.Context, _ *nothing) (TOTPSeed, error) {
	p := guard.PrincipalOf(ctx)
	seed := otp.NewSeed()
	uri, err := otp.URI(d.Proofs.Issuer(p.Site), p.Email, seed)
	if err != nil {
		return TOTPSeed{}, err
	}
	picture, err := draw(uri)
	if err != nil {
		return TOTPSeed{}, err
	}
	sealed, err := d.Proofs.Vault.Seal(ctx, seed, proofs.Seeds().At(p.Person.String()))
	if err != nil {
		return TOTPSeed{}, err
	}
	return TOTPSeed{Secret: seed.Reveal(), URI: uri.Reveal(), QR: picture}, d.begin(ctx, enrolling, p, sealed, enrollingFor)
}

// draw makes the URI's code, which a page draws itself: its policy takes no pictures from elsewhere.
func draw(uri secret.Text) (QRCode, error) {
	code, err := qr.Encode(uri.Reveal(), qr.M)
	if err != nil {
		return QRCode{}, fmt.Errorf("draw a QR code: %w", err)
	}
	var modules strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				modules.WriteByte('1')
			} else {
				modules.WriteByte('0')
			}
		}
	}
	return QRCode{Size: code.Size, Modules: modules.String()}, nil
}

// confirmTOTP leaves what was begun after a wrong code. A right one takes it, so that of two at once one sets it up; and
// seals the seed anew, since the ring may have lost the key that it waited by.
func (d Desk) confirmTOTP(ctx context.Context, in *struct{ Body ConfirmTOTPBody }) (*Rotated, error) {
	p := guard.PrincipalOf(ctx)
	place := proofs.Seeds().At(p.Person.String())
	kept, err := d.Proofs.Begun.Peek(ctx, enrolling, begunKey(p))
	if err != nil {
		return nil, over(err, "totp_not_begun")
	}
	seed, err := d.Proofs.Vault.Open(ctx, kept, place)
	if err != nil {
		return nil, err
	}
	step, ok, err := otp.Match(seed, in.Body.Code, d.MachineNow())
	if err != nil {
		return nil, err
	}
	if !ok {
		var fields fault.Fields
		fields.Add("code", "is not what the authenticator shows now: look at its clock, too")
		return nil, fields.Err()
	}
	if _, err := d.Proofs.Begun.Take(ctx, enrolling, begunKey(p)); err != nil {
		return nil, over(err, "totp_not_begun")
	}
	sealed, err := d.Proofs.Vault.Seal(ctx, seed, place)
	if err != nil {
		return nil, err
	}
	at, t := sitting(p)
	cookie, err := manage(ctx, d, credential.ConfirmTOTP{PersonID: p.Person, Session: at, Seed: sealed, Step: step}, t)
	return &Rotated{SetCookie: cookie}, err
}

func (d Desk) removeTOTP(ctx context.Context, _ *struct{}) (*Rotated, error) {
	p := guard.PrincipalOf(ctx)
	at, t := sitting(p)
	cookie, err := manage(ctx, d, credential.RemoveTOTP{PersonID: p.Person, Session: at}, t)
	return &Rotated{SetCookie: cookie}, err
}

func (d Desk) issueRecoveryCodes(ctx context.Context, _ *nothing) (RecoveryCodes, error) {
	p := guard.PrincipalOf(ctx)
	at, t := sitting(p)
	issue := credential.IssueRecoveryCodes{PersonID: p.Person, Session: at}
	shown := RecoveryCodes{Codes: []string{}}
	for _, code := range otp.NewRecoveryCodes() {
		h, err := otp.HashRecoveryCode(code.Reveal())
		if err != nil {
			return RecoveryCodes{}, err
		}
		issue.Hashes, shown.Codes = append(issue.Hashes, h), append(shown.Codes, code.Reveal())
	}
	if _, err := manage(ctx, d, issue, t); err != nil {
		return RecoveryCodes{}, err
	}
	return shown, nil
}
