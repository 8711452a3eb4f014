package security

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/passkey"
	"github.com/ezscale/platform/query/access"
	"github.com/ezscale/platform/query/identity"
)

// registering is the kind of a passkey's ceremony that was begun.
const registering = "security.passkey"

// RegistrationOptions begin a ceremony in the browser.
type RegistrationOptions struct {
	Options json.RawMessage `json:"options" doc:"PublicKeyCredentialCreationOptionsJSON, for parseCreationOptionsFromJSON"`
}

// AddPasskeyBody is a browser's answer.
type AddPasskeyBody struct {
	Name     string          `json:"name" maxLength:"200"`
	Response json.RawMessage `json:"response" doc:"RegistrationResponseJSON"`
}

// PasskeyNameBody is what its owner calls a passkey.
type PasskeyNameBody struct {
	Name string `json:"name" maxLength:"200"`
}

type passkeyOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      identity.Passkey
}

func (d Desk) passkeyOperations(t route.Table) {
	route.Serve(t, operation(http.MethodPost, "/me/passkeys/options", "begin-passkey", "Begin to set up a passkey", fresh()), d.beginPasskey)
	route.ServeRaw(t, created(operation(http.MethodPost, "/me/passkeys", "add-passkey", "Set up the passkey that was begun", inPerson())), d.addPasskey)
	route.Serve(t, operation(http.MethodPut, "/me/passkeys/{id}", "rename-passkey", "Rename a passkey", inPerson()), d.renamePasskey)
	route.ServeRaw(t, operation(http.MethodDelete, "/me/passkeys/{id}", "remove-passkey", "Remove a passkey", fresh()), d.removePasskey)
}

// passkeys lists a person's, with the names of what keeps them.
func (d Desk) passkeys(ctx context.Context, person uuid.UUID) ([]identity.Passkey, error) {
	all, err := identity.ListPasskeys(ctx, d.Postgres, person)
	for i := range all {
		if len(all[i].AAGUID) == len(uuid.UUID{}) {
			all[i].Provider = passkey.ProviderName([16]byte(all[i].AAGUID))
		}
	}
	return all, err
}

func (d Desk) passkeyOf(ctx context.Context, person, id uuid.UUID) (identity.Passkey, error) {
	all, err := d.passkeys(ctx, person)
	if err != nil {
		return identity.Passkey{}, err
	}
	for _, p := range all {
		if p.ID == id {
			return p, nil
		}
	}
	return identity.Passkey{}, fault.New(fault.NotFound, "passkey_not_found", "there is no such passkey")
}

func (d Desk) beginPasskey(ctx context.Context, _ *nothing) (RegistrationOptions, error) {
	p := guard.PrincipalOf(ctx)
	who, err := access.FindRegistrant(ctx, d.Door, p.Person)
	if err != nil {
		return RegistrationOptions{}, err
	}
	handle, err := passkey.HandleOf(who.Handle)
	if err != nil {
		return RegistrationOptions{}, err
	}
	existing := make([]passkey.Credential, len(who.CredentialIDs))
	for i, id := range who.CredentialIDs {
		existing[i].ID = id
	}
	options, kept, err := d.Proofs.Passkeys(p.Site).BeginRegistration(passkey.Person{Handle: handle, Name: who.Email, DisplayName: who.Name}, existing)
	if errors.Is(err, passkey.ErrTooMany) {
		return RegistrationOptions{}, fault.New(fault.Conflict, "too_many_passkeys", "a person has at most %d passkeys: remove one first", passkey.MaxCredentials)
	}
	if err != nil {
		return RegistrationOptions{}, err
	}
	return RegistrationOptions{Options: options}, d.begin(ctx, registering, p, kept, passkey.Lifetime)
}

func (d Desk) addPasskey(ctx context.Context, in *struct{ Body AddPasskeyBody }) (*passkeyOutput, error) {
	p := guard.PrincipalOf(ctx)
	made, err := d.finishRegistration(ctx, p, in.Body.Response)
	if err != nil {
		return nil, err
	}
	at, t := sitting(p)
	add := credential.AddPasskey{PasskeyID: uuid.New(), PersonID: p.Person, Session: at, PasskeyName: in.Body.Name, CredentialID: made.ID, PublicKey: made.PublicKey,
		SignCount: made.SignCount, AAGUID: made.AAGUID[:], Transports: made.Transports, AttestationFormat: made.AttestationFormat,
		BackupEligible: made.BackupEligible, BackedUp: made.BackupState}
	out := &passkeyOutput{}
	if out.SetCookie, err = manage(ctx, d, add, t); err != nil {
		return nil, err
	}
	out.Body, err = d.passkeyOf(ctx, p.Person, add.PasskeyID)
	return out, err
}

// finishRegistration takes the ceremony, right or wrong: an answer is given once.
func (d Desk) finishRegistration(ctx context.Context, p *guard.Principal, response []byte) (passkey.Credential, error) {
	kept, err := d.Proofs.Begun.Take(ctx, registering, begunKey(p))
	if err != nil {
		return passkey.Credential{}, over(err, "passkey_not_begun")
	}
	who, err := access.FindRegistrant(ctx, d.Door, p.Person)
	if err != nil {
		return passkey.Credential{}, err
	}
	handle, err := passkey.HandleOf(who.Handle)
	if err != nil {
		return passkey.Credential{}, err
	}
	made, err := d.Proofs.Passkeys(p.Site).FinishRegistration(handle, kept, response)
	if passkey.Refused(err) {
		return passkey.Credential{}, &fault.Error{Kind: fault.Invalid, Code: "passkey_refused", Message: "the passkey was not accepted: begin again", Cause: err}
	}
	return made, err
}

func (d Desk) renamePasskey(ctx context.Context, in *struct {
	ID   uuid.UUID `path:"id" format:"uuid"`
	Body PasskeyNameBody
}) (identity.Passkey, error) {
	person := guard.PrincipalOf(ctx).Person
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), credential.RenamePasskey{PasskeyID: in.ID, PersonID: person, PasskeyName: in.Body.Name}); err != nil {
		return identity.Passkey{}, err
	}
	return d.passkeyOf(ctx, person, in.ID)
}

func (d Desk) removePasskey(ctx context.Context, in *struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}) (*Rotated, error) {
	p := guard.PrincipalOf(ctx)
	at, t := sitting(p)
	cookie, err := manage(ctx, d, credential.RemovePasskey{PasskeyID: in.ID, PersonID: p.Person, Session: at}, t)
	return &Rotated{SetCookie: cookie}, err
}
