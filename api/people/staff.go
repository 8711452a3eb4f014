package people

import (
	"context"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/writes"
	"github.com/ezscale/platform/command"
	cmd "github.com/ezscale/platform/command/account"
	"github.com/ezscale/platform/command/credential"
	identitycmd "github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// CustomerDetail is an account as staff see it.
type CustomerDetail struct {
	AccountDetail
	Members []identity.Member `json:"members" nullable:"false"`
	Notes   int               `json:"notes"`
}

// CustomerInput names a customer in an operation's path.
type CustomerInput struct {
	ID string `path:"id" maxLength:"254" doc:"Mail address or id"`
}

// PageInput cuts a list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"Items of a page"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"next_cursor of the page before"`
}

func (p PageInput) page() query.Page { return query.Page{Limit: p.Limit, Cursor: p.Cursor} }

func (d Desk) customer(ctx context.Context, in *CustomerInput) (CustomerDetail, error) {
	shown, err := d.show(ctx, in.ID)
	if err != nil {
		return CustomerDetail{}, err
	}
	c := CustomerDetail{AccountDetail: shown}
	if c.Members, err = identity.ListMembers(ctx, d.Postgres, guard.ScopeOf(ctx), shown.ID); err != nil {
		return CustomerDetail{}, err
	}
	c.Notes, err = identity.CountNotes(ctx, d.Postgres, shown.ID)
	return c, err
}

// id finds the customer that a path names.
func (d Desk) id(ctx context.Context, reference string) (uuid.UUID, error) {
	found, err := identity.FindCustomer(ctx, d.Postgres, guard.ScopeOf(ctx), reference)
	return found.ID, err
}

func (d Desk) changeProfile(ctx context.Context, in *struct {
	writes.Write
	CustomerInput
	Body StaffAccountBody
}) (AccountDetail, error) {
	return d.change(ctx, in.Write, in.ID, in.Body.AccountBody, in.Body.TaxExempt)
}

func (d Desk) changeCustomerContact(ctx context.Context, in *struct {
	writes.Write
	CustomerInput
	Body ContactBody
}) (AccountDetail, error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return AccountDetail{}, err
	}
	return d.contact(ctx, in.Write, cmd.ChangeContact{CustomerID: id, Email: in.Body.Email}, in.Body.Version)
}

// StatusBody is another status, and why.
type StatusBody struct {
	Status string `json:"status" enum:"active,suspended,banned"`
	Reason string `json:"reason" maxLength:"200" doc:"For the audit log"`
}

func (d Desk) changeStatus(ctx context.Context, in *struct {
	writes.Write
	CustomerInput
	Body StatusBody
}) (AccountDetail, error) {
	meta, err := in.Meta(ctx, d.Now())
	if err != nil {
		return AccountDetail{}, err
	}
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return AccountDetail{}, err
	}
	if _, err := command.Run(ctx, d.Commands, meta, cmd.ChangeStatus{CustomerID: id, Status: in.Body.Status, Reason: in.Body.Reason}); err != nil {
		return AccountDetail{}, err
	}
	return d.show(ctx, id.String())
}

func (d Desk) notes(ctx context.Context, in *struct {
	CustomerInput
	PageInput
}) (query.List[identity.Note], error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return query.List[identity.Note]{}, err
	}
	return identity.ListNotes(ctx, d.Postgres, id, in.page())
}

// NoteBody is a note.
type NoteBody struct {
	Text string `json:"text" maxLength:"4000"`
}

func (d Desk) writeNote(ctx context.Context, in *struct {
	writes.Write
	CustomerInput
	Body NoteBody
}) (Made, error) {
	meta, err := in.Meta(ctx, d.Now())
	if err != nil {
		return Made{}, err
	}
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return Made{}, err
	}
	done, err := command.Run(ctx, d.Commands, meta, cmd.WriteNote{NoteID: meta.NewID(), CustomerID: id, Text: in.Body.Text})
	return Made{ID: done.NoteID}, err
}

func (d Desk) customerMembers(ctx context.Context, in *CustomerInput) (query.List[identity.Member], error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return query.List[identity.Member]{}, err
	}
	return d.membersOf(ctx, id)
}

func (d Desk) changeMemberFor(ctx context.Context, in *struct {
	CustomerInput
	MemberInput
	Body RightsBody
}) (identity.Member, error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return identity.Member{}, err
	}
	return d.changeMemberOf(ctx, id, in.PersonID, in.Body.Rights)
}

func (d Desk) removeMemberFor(ctx context.Context, in *struct {
	CustomerInput
	MemberInput
}) (*struct{}, error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return d.removeMemberOf(ctx, id, in.PersonID)
}

func (d Desk) inviteFor(ctx context.Context, in *struct {
	CustomerInput
	Body InvitationBody
}) (Made, error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return Made{}, err
	}
	return d.inviteInto(ctx, id, in.Body)
}

func (d Desk) customerInvitations(ctx context.Context, in *CustomerInput) (query.List[identity.Invitation], error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return query.List[identity.Invitation]{}, err
	}
	return d.invitationsInto(ctx, id)
}

func (d Desk) revokeFor(ctx context.Context, in *struct {
	CustomerInput
	InvitationID uuid.UUID `path:"invitation_id" format:"uuid"`
}) (*struct{}, error) {
	id, err := d.id(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return d.revokeFrom(ctx, id, in.InvitationID)
}

func (d Desk) people(ctx context.Context, in *struct {
	PageInput
	Search string `query:"q" maxLength:"200" doc:"Part of a name or mail address, or an id"`
}) (query.List[identity.Person], error) {
	return identity.ListPeople(ctx, d.Postgres, in.Search, in.page())
}

// PersonStatusBody is another status of a person.
type PersonStatusBody struct {
	Status string `json:"status" enum:"active,suspended,banned"`
}

// PersonStatus is the status that a person has now.
type PersonStatus struct {
	ID     uuid.UUID `json:"id" format:"uuid"`
	Status string    `json:"status"`
}

// changePersonStatus is about people of the account site: staff are another page's.
func (d Desk) changePersonStatus(ctx context.Context, in *struct {
	ID   uuid.UUID `path:"id" format:"uuid"`
	Body PersonStatusBody
}) (PersonStatus, error) {
	order := identitycmd.ChangePersonStatus{PersonID: in.ID, Site: string(guard.SiteAccount), Status: in.Body.Status, At: d.MachineNow()}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return PersonStatus{ID: in.ID, Status: in.Body.Status}, err
}

// RecoveryBody is why somebody is let in again.
type RecoveryBody struct {
	Reason string `json:"reason" maxLength:"200" doc:"At least 10 characters: how you know that it is they who ask. It is in the audit log"`
}

func (d Desk) recoverPerson(ctx context.Context, in *struct {
	ID   uuid.UUID `path:"id" format:"uuid"`
	Body RecoveryBody
}) (*struct{}, error) {
	order := credential.Recover{PersonID: in.ID, Reason: in.Body.Reason, At: d.MachineNow()}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return &struct{}{}, err
}
