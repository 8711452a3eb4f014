package people

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/internal/secret"
)

// Registration is somebody new.
type Registration struct {
	Email    string      `json:"email" maxLength:"254"`
	Name     string      `json:"name" maxLength:"200"`
	Company  string      `json:"company,omitempty" maxLength:"200"`
	Password secret.Text `json:"password" maxLength:"1024"`
}

// EmailBody is a mail address.
type EmailBody struct {
	Email string `json:"email" maxLength:"254"`
}

// Accepted is the answer to what goes on in a mail: that, and nothing else.
type Accepted struct{}

func (d Desk) register(ctx context.Context, in *struct{ Body Registration }) (*Accepted, error) {
	if _, err := guard.NeedSite(ctx, guard.SiteAccount); err != nil {
		return nil, err
	}
	meta := d.meta(ctx)
	order := identity.StartRegistration{PersonID: uuid.New(), LinkID: uuid.New(), Email: in.Body.Email, PersonName: in.Body.Name, Company: in.Body.Company, PasswordHash: "later", At: d.MachineNow()}
	if err := order.Validate(); err != nil {
		return nil, err
	}
	if err := d.Proofs.CheckPassword(in.Body.Password, in.Body.Email, in.Body.Name, in.Body.Company); err != nil {
		return nil, err
	}
	if err := d.attempt(ctx, mailsTo(guard.SiteAccount, in.Body.Email)); err != nil {
		return nil, err
	}
	var err error
	if order.PasswordHash, err = d.Proofs.Hasher.Hash(ctx, in.Body.Password); err != nil {
		return nil, err
	}
	_, err = command.Run(ctx, d.Commands, meta, order)
	return &Accepted{}, err
}

// forgotTakes is how long the answer takes at least to who has forgotten a password. For an address that somebody has there
// is a link to be written, which takes a millisecond more than to find nobody: behind this nobody sees it. Registering
// has its hash, which hides as much.
const forgotTakes = 100 * time.Millisecond

func (d Desk) forgot(ctx context.Context, in *struct{ Body EmailBody }) (*Accepted, error) {
	site, err := guard.NeedSite(ctx)
	if err != nil {
		return nil, err
	}
	order := identity.RequestReset{LinkID: uuid.New(), Site: string(site), Email: in.Body.Email, At: d.MachineNow()}
	if err := order.Validate(); err != nil {
		return nil, err
	}
	if err := d.attempt(ctx, resetsTo(site, in.Body.Email)); err != nil {
		return nil, err
	}
	late := time.NewTimer(forgotTakes)
	defer late.Stop()
	_, err = command.Run(ctx, d.Commands, d.meta(ctx), order)
	select {
	case <-late.C:
	case <-ctx.Done():
	}
	return &Accepted{}, err
}

func (d Desk) changeEmail(ctx context.Context, in *struct{ Body EmailBody }) (*Accepted, error) {
	p := guard.PrincipalOf(ctx)
	order := identity.RequestAddress{LinkID: uuid.New(), PersonID: p.Person, SessionID: p.Session, Email: in.Body.Email, At: d.MachineNow()}
	if err := order.Validate(); err != nil {
		return nil, err
	}
	if err := d.attempt(ctx, changesOf(p.Person), mailsTo(p.Site, in.Body.Email)); err != nil {
		return nil, err
	}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return &Accepted{}, err
}
