package policy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/schemas/events"
)

// peopleRules are: when LinkRequested then mail the link; when somebody registers once more, or what a person proves
// their identity with changes, or they sign in with a new device, or allow an application something, or their rights in an
// account change, then mail them; when a member leaves, the owners too; when an account's contact changes, whoever reads the
// old address and the new one. A link's token is drawn by the job that sends the mail.
func (c NotifyConfig) peopleRules() []Rule {
	return []Rule{
		{On: events.LinkRequested{}.Type(), Name: "mail_link", Do: c.link},
		{On: events.RegistrationRepeated{}.Type(), Name: "mail_already_registered", Do: c.known},
		{On: events.CredentialChanged{}.Type(), Name: "mail_credential_changed", Do: c.credential},
		{On: events.SessionOpened{}.Type(), Name: "mail_new_device", Do: c.session},
		{On: events.ApplicationAllowed{}.Type(), Name: "mail_application", Do: c.application},
		{On: events.MembershipChanged{}.Type(), Name: "mail_membership", Do: c.membership},
		{On: events.ContactChanged{}.Type(), Name: "mail_contact", Do: c.contact},
	}
}

func (c NotifyConfig) link(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	requested, ok := e.(events.LinkRequested)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueLink{EventID: h.ID, LinkID: requested.LinkID})
}

func (c NotifyConfig) known(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	repeated, ok := e.(events.RegistrationRepeated)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueNews{EventID: h.ID, Template: notify.TemplateKnown, PersonID: repeated.PersonID})
}

func (c NotifyConfig) credential(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	changed, ok := e.(events.CredentialChanged)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueNews{EventID: h.ID, Template: notify.TemplateCredential, PersonID: changed.PersonID, Kind: changed.Kind, Change: changed.Change,
		Ended: notify.Ended{Sessions: changed.SessionsEnded, Tokens: changed.TokensEnded, Applications: changed.ApplicationsEnded}})
}

func (c NotifyConfig) session(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	opened, ok := e.(events.SessionOpened)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	if !opened.NewDevice {
		return nil
	}
	return c.queue(ctx, tx, notify.QueueNews{EventID: h.ID, Template: notify.TemplateSignIn, PersonID: opened.PersonID, SessionID: opened.SessionID})
}

func (c NotifyConfig) application(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	allowed, ok := e.(events.ApplicationAllowed)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueNews{EventID: h.ID, Template: notify.TemplateApplication, PersonID: allowed.PersonID, GrantID: allowed.GrantID})
}

func (c NotifyConfig) membership(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	changed, ok := e.(events.MembershipChanged)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	if changed.Left {
		if err := c.queue(ctx, tx, notify.QueueLeft{EventID: h.ID, CustomerID: changed.CustomerID, PersonID: changed.PersonID}); err != nil {
			return err
		}
	}
	return c.queue(ctx, tx, notify.QueueNews{EventID: h.ID, Template: notify.TemplateMembership, PersonID: changed.PersonID, CustomerID: changed.CustomerID, Rights: changed.Rights})
}

func (c NotifyConfig) contact(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	changed, ok := e.(events.ContactChanged)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	return c.queue(ctx, tx, notify.QueueContact{EventID: h.ID, CustomerID: changed.CustomerID, ChangeID: changed.ChangeID})
}
