package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/schemas/events"
)

// maxInvitations bounds what an account may have open at a time.
const maxInvitations = 50

// Invite asks somebody by mail to become a member of an account. Inviting an address again sends a new link, with the
// rights that were named last, and the one before works no longer.
type Invite struct {
	LinkID     uuid.UUID `json:"link_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	Email      string    `json:"email" audit:"redact"`
	Rights     string    `json:"rights"`
	At         time.Time `json:"at"` // by the machine's clock
}

// Name is the command's name.
func (Invite) Name() string { return "identity.Invite" }

// Aggregates are the account, locked so that the bound holds, and the link.
func (c Invite) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}, {Type: events.TypeLink, ID: c.LinkID}}
}

// Validate checks the fields.
func (c Invite) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "link_id", c.LinkID)
	check.ID(&fields, "customer_id", c.CustomerID)
	check.Email(&fields, "email", c.Email)
	fields.Check(slices.Contains(permission.Rights(), c.Rights), "rights", "%q is none of owner, billing, technical and read_only", c.Rights)
	check.At(&fields, c.At)
	return fields.Err()
}

const (
	findInviting = `
select exists (select from membership m join person p on p.id = m.person_id where m.customer_id = c.id and p.email = lower($2)),
    (select count(*) from link l where l.customer_id = c.id and l.email <> lower($2) and l.used_at is null and l.revoked_at is null and l.expires_at > $3)
from customer c where c.id = $1 and c.status <> 'banned'`

	revokeInvitations = `
update link set revoked_at = $3 where customer_id = $1 and email = lower($2) and purpose = 'invitation' and used_at is null and revoked_at is null`
)

// Handle asks for the link.
func (c Invite) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Requested, []events.Event, error) {
	var member bool
	var open int
	err := tx.QueryRow(ctx, findInviting, c.CustomerID, c.Email, c.At).Scan(&member, &open)
	if errors.Is(err, pgx.ErrNoRows) {
		return Requested{}, nil, noSuchCustomer(c.CustomerID)
	}
	switch {
	case err != nil:
		return Requested{}, nil, fmt.Errorf("find account %s: %w", c.CustomerID, err)
	case member:
		return Requested{}, nil, fault.New(fault.Conflict, "member_already", "this person is in the account already: change the rights instead")
	case open >= maxInvitations:
		return Requested{}, nil, fault.New(fault.Conflict, "too_many_invitations", "%d invitations are open: wait until some are accepted, or take some back", open)
	}
	if _, err := tx.Exec(ctx, revokeInvitations, c.CustomerID, c.Email, c.At); err != nil {
		return Requested{}, nil, fmt.Errorf("revoke invitations to %s: %w", c.CustomerID, err)
	}
	link := newLink{id: c.LinkID, purpose: PurposeInvitation, site: "account", customer: &c.CustomerID, rights: c.Rights, email: c.Email, at: c.At, lifetime: invitationLifetime}
	return link.answer(ctx, tx, meta)
}

func noSuchCustomer(id uuid.UUID) error {
	return fault.New(fault.NotFound, "customer_not_found", "there is no customer %s", id)
}

const revokeInvitation = `
update link set revoked_at = $3 where id = $1 and customer_id = $2 and purpose = 'invitation' and used_at is null and revoked_at is null`
