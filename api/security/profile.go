package security

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/credential"
	identitycmd "github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query/identity"
)

// Me is the person who asks.
type Me struct {
	PersonID          uuid.UUID          `json:"person_id" format:"uuid"`
	Name              string             `json:"name"`
	Email             string             `json:"email"`
	EmailVerified     bool               `json:"email_verified"`
	Locale            string             `json:"locale" doc:"BCP 47"`
	TimeZone          string             `json:"time_zone" doc:"Of the IANA's database"`
	Site              string             `json:"site" enum:"account,admin"`
	Password          PasswordState      `json:"password"`
	Passkeys          []identity.Passkey `json:"passkeys" nullable:"false"`
	TOTP              *TOTPState         `json:"totp,omitempty" doc:"Absent: no authenticator is set up"`
	RecoveryCodesLeft int                `json:"recovery_codes_left"`
}

// PasswordState says whether there is one.
type PasswordState struct {
	Set   bool       `json:"set"`
	SetAt *time.Time `json:"set_at,omitempty"`
}

// TOTPState is an authenticator that is set up.
type TOTPState struct {
	ConfirmedAt time.Time `json:"confirmed_at"`
}

// MeBody is all that a person says about themselves.
type MeBody struct {
	Name     string `json:"name" maxLength:"200"`
	Locale   string `json:"locale" maxLength:"35" example:"de-AT"`
	TimeZone string `json:"time_zone" maxLength:"64" example:"Europe/Vienna"`
}

// NewPasswordBody is a new password.
type NewPasswordBody struct {
	Password  secret.Text `json:"password" maxLength:"1024"`
	EndOthers bool        `json:"end_others,omitempty" doc:"API tokens and applications end too, as for who thinks that somebody knew the password"`
}

// settingPasswords bounds the memory that one person can have filled by hashes.
func settingPasswords(person uuid.UUID) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "security.password", Burst: 10, Per: time.Hour}, Of: person.String()}
}

func hash(of []byte) [sha256.Size]byte { return sha256.Sum256(of) }

func (d Desk) profileOperations(t route.Table) {
	route.Serve(t, operation(http.MethodGet, "/me", "get-me", "Who one is, and what one can prove it with", inPerson()), d.me)
	route.Serve(t, operation(http.MethodPut, "/me", "change-me", "Change name, language and time zone", inPerson()), d.changeMe)
	route.ServeRaw(t, operation(http.MethodPut, "/me/password", "set-password", "Set a password: all other sessions end, this one's token changes; tokens and applications end if one says so", fresh()), d.setPassword)
}

func (d Desk) me(ctx context.Context, _ *struct{}) (Me, error) {
	person := guard.PrincipalOf(ctx).Person
	p, err := identity.FindProfile(ctx, d.Postgres, person)
	if err != nil {
		return Me{}, err
	}
	passkeys, err := d.passkeys(ctx, person)
	if err != nil {
		return Me{}, err
	}
	me := Me{PersonID: p.PersonID, Name: p.Name, Email: p.Email, EmailVerified: p.EmailVerified, Locale: p.Locale, TimeZone: p.TimeZone, Site: p.Site,
		Password: PasswordState{Set: p.PasswordSetAt != nil, SetAt: p.PasswordSetAt}, Passkeys: passkeys, RecoveryCodesLeft: p.RecoveryCodes}
	if p.TOTPConfirmedAt != nil {
		me.TOTP = &TOTPState{ConfirmedAt: *p.TOTPConfirmedAt}
	}
	return me, nil
}

func (d Desk) changeMe(ctx context.Context, in *struct{ Body MeBody }) (Me, error) {
	change := identitycmd.ChangePerson{PersonID: guard.PrincipalOf(ctx).Person, PersonName: in.Body.Name, Locale: in.Body.Locale, TimeZone: in.Body.TimeZone}
	if _, err := command.Run(ctx, d.Commands, d.meta(ctx), change); err != nil {
		return Me{}, err
	}
	return d.me(ctx, nil)
}

func (d Desk) setPassword(ctx context.Context, in *struct{ Body NewPasswordBody }) (*Rotated, error) {
	p := guard.PrincipalOf(ctx)
	if err := d.Proofs.CheckPassword(in.Body.Password, p.Email, p.Name, p.Account); err != nil {
		return nil, err
	}
	verdict, err := d.Proofs.Limiter.Take(ctx, settingPasswords(p.Person))
	if err != nil {
		return nil, err
	}
	if !verdict.Allowed {
		return nil, problem.TooMany(ctx, verdict.RetryAfter)
	}
	hashed, err := d.Proofs.Hasher.Hash(ctx, in.Body.Password)
	if err != nil {
		return nil, err
	}
	at, t := sitting(p)
	cookie, err := manage(ctx, d, credential.SetPassword{PersonID: p.Person, Hash: secret.New(hashed), Session: &at, At: d.MachineNow(), EndOthers: in.Body.EndOthers}, t)
	return &Rotated{SetCookie: cookie}, err
}
