package people

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/command"
	cmd "github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/membership"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/identity"
)

// Acceptance is the answer to an invitation.
type Acceptance struct {
	LinkBody
	Name     string      `json:"name,omitempty" maxLength:"200" doc:"Of somebody new"`
	Password secret.Text `json:"password,omitempty" maxLength:"1024" doc:"Of somebody new"`
}

// Joined says in which account one is now.
type Joined struct {
	CustomerID uuid.UUID `json:"customer_id" format:"uuid"`
	Account    string    `json:"account"`
	Rights     string    `json:"rights"`
	Email      string    `json:"email"`
}

// accept makes who is signed in a member, or somebody new. Who is here already has to be signed in.
func (d Desk) accept(ctx context.Context, in *struct{ Body Acceptance }) (Joined, error) {
	l, err := d.find(ctx, in.Body.Token, cmd.PurposeInvitation)
	if err != nil {
		return Joined{}, err
	}
	order := cmd.AcceptInvitation{Proof: l.proof, CustomerID: *l.CustomerID}
	p := guard.PrincipalOf(ctx)
	switch {
	case p != nil && p.InPerson() && p.Impersonator == nil:
		order.PersonID = p.Person // whose address it has to be, the command asks
	case l.PersonExists:
		return Joined{}, problem.New(ctx, http.StatusConflict, "sign_in_first", "you are here already: sign in, then open the link again")
	default:
		order.PersonID, order.New, order.PersonName = uuid.New(), true, in.Body.Name
		if order.PasswordHash, err = d.newcomer(ctx, in.Body, l); err != nil {
			return Joined{}, err
		}
	}
	_, err = command.Run(ctx, d.Commands, d.meta(ctx), order)
	return Joined{CustomerID: order.CustomerID, Account: l.Account, Rights: l.Rights, Email: l.Email}, err
}

// newcomer hashes the password of somebody new.
func (d Desk) newcomer(ctx context.Context, a Acceptance, l found) (string, error) {
	var fields fault.Fields
	fields.Check(a.Name != "", "name", "is missing")
	fields.Check(!a.Password.IsZero(), "password", "is missing")
	if err := fields.Err(); err != nil {
		return "", err
	}
	return d.newPassword(ctx, a.Password, l.Email, a.Name, l.Account)
}

// InvitationBody is whom to invite.
type InvitationBody struct {
	Email  string `json:"email" maxLength:"254"`
	Rights string `json:"rights" enum:"owner,billing,technical,read_only"`
}

func (d Desk) invitations(ctx context.Context, _ *struct{}) (query.List[identity.Invitation], error) {
	return d.invitationsInto(ctx, guard.PrincipalOf(ctx).Customer)
}

func (d Desk) invitationsInto(ctx context.Context, customer uuid.UUID) (query.List[identity.Invitation], error) {
	open, err := identity.ListInvitations(ctx, d.Postgres, guard.ScopeOf(ctx), customer, d.MachineNow())
	return query.List[identity.Invitation]{Items: open}, err
}

func (d Desk) invite(ctx context.Context, in *struct{ Body InvitationBody }) (Made, error) {
	return d.inviteInto(ctx, guard.PrincipalOf(ctx).Customer, in.Body)
}

// Made names what was made: an invitation, a note.
type Made struct {
	ID uuid.UUID `json:"id" format:"uuid"`
}

func (d Desk) inviteInto(ctx context.Context, customer uuid.UUID, body InvitationBody) (Made, error) {
	order := cmd.Invite{LinkID: uuid.New(), CustomerID: customer, Email: body.Email, Rights: body.Rights, At: d.MachineNow()}
	if err := order.Validate(); err != nil {
		return Made{}, err
	}
	if err := d.attempt(ctx, invitationsOf(customer), invitationsTo(body.Email)); err != nil {
		return Made{}, err
	}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return Made{ID: order.LinkID}, err
}

func (d Desk) revoke(ctx context.Context, in *struct {
	ID uuid.UUID `path:"id" format:"uuid"`
}) (*struct{}, error) {
	return d.revokeFrom(ctx, guard.PrincipalOf(ctx).Customer, in.ID)
}

func (d Desk) revokeFrom(ctx context.Context, customer, invitation uuid.UUID) (*struct{}, error) {
	order := cmd.RevokeInvitation{LinkID: invitation, CustomerID: customer, At: d.MachineNow()}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return &struct{}{}, err
}

// MemberInput names a member in an operation's path.
type MemberInput struct {
	PersonID uuid.UUID `path:"person_id" format:"uuid"`
}

// RightsBody are a member's rights.
type RightsBody struct {
	Rights string `json:"rights" enum:"owner,billing,technical,read_only"`
}

func (d Desk) members(ctx context.Context, _ *struct{}) (query.List[identity.Member], error) {
	return d.membersOf(ctx, guard.PrincipalOf(ctx).Customer)
}

func (d Desk) membersOf(ctx context.Context, customer uuid.UUID) (query.List[identity.Member], error) {
	all, err := identity.ListMembers(ctx, d.Postgres, guard.ScopeOf(ctx), customer)
	return query.List[identity.Member]{Items: all}, err
}

// memberOf finds one of an account's people: nobody is made a member without their own doing.
func (d Desk) memberOf(ctx context.Context, customer, person uuid.UUID) (identity.Member, error) {
	all, err := d.membersOf(ctx, customer)
	if err != nil {
		return identity.Member{}, err
	}
	for _, m := range all.Items {
		if m.PersonID == person {
			return m, nil
		}
	}
	return identity.Member{}, fault.New(fault.NotFound, "member_not_found", "there is no such person in the account")
}

func (d Desk) changeMember(ctx context.Context, in *struct {
	MemberInput
	Body RightsBody
}) (identity.Member, error) {
	return d.changeMemberOf(ctx, guard.PrincipalOf(ctx).Customer, in.PersonID, in.Body.Rights)
}

func (d Desk) changeMemberOf(ctx context.Context, customer, person uuid.UUID, rights string) (identity.Member, error) {
	m, err := d.memberOf(ctx, customer, person)
	if err != nil {
		return identity.Member{}, err
	}
	order := membership.Change{CustomerID: customer, PersonID: person, Rights: rights, At: d.MachineNow()}
	_, err = command.Run(ctx, d.Commands, d.meta(ctx), order)
	m.Rights = rights
	return m, err
}

func (d Desk) removeMember(ctx context.Context, in *MemberInput) (*struct{}, error) {
	p := guard.PrincipalOf(ctx)
	if in.PersonID == p.Person {
		return d.leave(ctx, &AccountInput{CustomerID: p.Customer})
	}
	return d.removeMemberOf(ctx, p.Customer, in.PersonID)
}

func (d Desk) removeMemberOf(ctx context.Context, customer, person uuid.UUID) (*struct{}, error) {
	order := membership.Change{CustomerID: customer, PersonID: person, At: d.MachineNow()}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return &struct{}{}, err
}

// AccountInput names one of one's own accounts in an operation's path.
type AccountInput struct {
	CustomerID uuid.UUID `path:"customer_id" format:"uuid"`
}

func (d Desk) leave(ctx context.Context, in *AccountInput) (*struct{}, error) {
	p := guard.PrincipalOf(ctx)
	order := membership.Leave{CustomerID: in.CustomerID, PersonID: p.Person, SessionID: p.Session, At: d.MachineNow()}
	_, err := command.Run(ctx, d.Commands, d.meta(ctx), order)
	return &struct{}{}, err
}
