package people

import (
	"context"
	"strings"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/api/writes"
	"github.com/ezscale/platform/command"
	cmd "github.com/ezscale/platform/command/account"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query/identity"
)

// AccountDetail is an account's profile with its tax id, which those see who may change it.
type AccountDetail struct {
	identity.Account
	TaxID    string `json:"tax_id,omitempty" doc:"For those who may change it"`
	HasTaxID bool   `json:"has_tax_id"`
}

// AccountBody is a profile, whole: what is absent is taken away.
type AccountBody struct {
	Name            string            `json:"name" maxLength:"200"`
	Company         string            `json:"company,omitempty" maxLength:"200"`
	Phone           string            `json:"phone,omitempty" maxLength:"40"`
	TaxID           secret.Text       `json:"tax_id,omitempty" maxLength:"40"`
	Locale          string            `json:"locale,omitempty" default:"en" maxLength:"35"`
	TimeZone        string            `json:"time_zone,omitempty" default:"UTC" maxLength:"64"`
	BillingAddress  *identity.Address `json:"billing_address,omitempty"`
	ShippingAddress *identity.Address `json:"shipping_address,omitempty"`
	Version         *int64            `json:"version,omitempty" minimum:"0" doc:"That the change is meant for; absent: any"`
}

// StaffAccountBody is what staff can say of an account.
type StaffAccountBody struct {
	AccountBody
	TaxExempt *bool `json:"tax_exempt,omitempty" doc:"Absent: as it is"`
}

func (d Desk) account(ctx context.Context, _ *struct{}) (AccountDetail, error) {
	return d.show(ctx, guard.PrincipalOf(ctx).Customer.String())
}

// show finds an account, and opens its tax id for those who may see it.
func (d Desk) show(ctx context.Context, reference string) (AccountDetail, error) {
	found, err := identity.FindAccount(ctx, d.Postgres, guard.ScopeOf(ctx), reference)
	if err != nil {
		return AccountDetail{}, err
	}
	shown := AccountDetail{Account: found, HasTaxID: found.SealedTaxID != nil}
	p := guard.PrincipalOf(ctx)
	if !p.Permissions.Has(permission.AccountWrite) && !p.Permissions.Has(permission.CustomersWrite) {
		return shown, nil
	}
	taxID, err := d.taxID(ctx, found)
	shown.TaxID = taxID.Reveal()
	return shown, err
}

// taxID opens the tax id of an account.
func (d Desk) taxID(ctx context.Context, a identity.Account) (secret.Text, error) {
	if a.SealedTaxID == nil {
		return secret.Text{}, nil
	}
	return d.Proofs.Vault.Open(ctx, a.SealedTaxID, proofs.TaxIDs().At(a.ID.String()))
}

func (d Desk) changeAccount(ctx context.Context, in *struct {
	writes.Write
	Body AccountBody
}) (AccountDetail, error) {
	return d.change(ctx, in.Write, guard.PrincipalOf(ctx).Customer.String(), in.Body, nil)
}

func (d Desk) change(ctx context.Context, w writes.Write, reference string, body AccountBody, exempt *bool) (AccountDetail, error) {
	meta, err := w.Meta(ctx, d.Now())
	if err != nil {
		return AccountDetail{}, err
	}
	if body.Version != nil {
		meta.ExpectedVersion = body.Version
	}
	was, err := identity.FindAccount(ctx, d.Postgres, guard.ScopeOf(ctx), reference)
	if err != nil {
		return AccountDetail{}, err
	}
	order := cmd.ChangeProfile{CustomerID: was.ID, Profile: cmd.Profile{CustomerName: body.Name, Company: body.Company, Phone: body.Phone, Locale: body.Locale, TimeZone: body.TimeZone,
		TaxExempt: exempt, Billing: (*cmd.Address)(body.BillingAddress), Shipping: (*cmd.Address)(body.ShippingAddress)}}
	if err := d.seal(ctx, &order, was, secret.New(strings.TrimSpace(body.TaxID.Reveal()))); err != nil {
		return AccountDetail{}, err
	}
	if _, err := command.Run(ctx, d.Commands, meta, order); err != nil {
		return AccountDetail{}, err
	}
	return d.show(ctx, was.ID.String())
}

// ContactBody is where an account's mails go.
type ContactBody struct {
	Email   string `json:"email" maxLength:"254"`
	Version *int64 `json:"version,omitempty" minimum:"0" doc:"That the change is meant for; absent: any"`
}

func (d Desk) changeContact(ctx context.Context, in *struct {
	writes.Write
	Body ContactBody
}) (AccountDetail, error) {
	return d.contact(ctx, in.Write, cmd.ChangeContact{CustomerID: guard.PrincipalOf(ctx).Customer, Email: in.Body.Email, OfMember: true}, in.Body.Version)
}

func (d Desk) contact(ctx context.Context, w writes.Write, order cmd.ChangeContact, version *int64) (AccountDetail, error) {
	meta, err := w.Meta(ctx, d.Now())
	if err != nil {
		return AccountDetail{}, err
	}
	if version != nil {
		meta.ExpectedVersion = version
	}
	order.ChangeID = meta.NewID()
	if _, err := command.Run(ctx, d.Commands, meta, order); err != nil {
		return AccountDetail{}, err
	}
	return d.show(ctx, order.CustomerID.String())
}

// seal puts the tax id into the order: the one that is there, sealed as it is, or another.
func (d Desk) seal(ctx context.Context, order *cmd.ChangeProfile, was identity.Account, taxID secret.Text) error {
	old, err := d.taxID(ctx, was)
	if err != nil {
		return err
	}
	order.TaxID, order.KeepTaxID = taxID, taxID.Equal(old)
	if order.KeepTaxID || taxID.IsZero() {
		return nil
	}
	order.SealedTaxID, err = d.Proofs.Vault.Seal(ctx, taxID, proofs.TaxIDs().At(was.ID.String()))
	return err
}
