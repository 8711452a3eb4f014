package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

const (
	// ImpersonationLife is how long staff look at an account as one of its people at a time, used or not.
	ImpersonationLife = 30 * time.Minute

	// factorImpersonation stands where others have what they proved themselves with. It opens nothing on the admin site.
	factorImpersonation = "impersonation"
)

// BeginImpersonation lets one of the staff look at an account as one of its people; with Widened, also change things as
// one. The audit row is the account's, so that its people see it, and names both.
type BeginImpersonation struct {
	SessionID      uuid.UUID   `json:"session_id"`
	Hash           secret.Hash `json:"hash" audit:"redact"`
	ImpersonatorID uuid.UUID   `json:"impersonator_id"`
	PersonID       uuid.UUID   `json:"person_id"`
	CustomerID     uuid.UUID   `json:"customer_id"`
	Reason         string      `json:"reason"`
	Ticket         string      `json:"ticket,omitempty"`
	Widened        bool        `json:"widened"`
	At             time.Time   `json:"at"` // by the machine's clock
	Replaces       *uuid.UUID  `json:"replaces,omitempty"`
}

// Name is the command's name.
func (BeginImpersonation) Name() string { return "access.BeginImpersonation" }

// Aggregates are the account and the new session.
func (c BeginImpersonation) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.CustomerID}, {Type: events.TypeSession, ID: c.SessionID}}
}

// Validate checks the fields.
func (c BeginImpersonation) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "session_id", c.SessionID)
	check.ID(&fields, "impersonator_id", c.ImpersonatorID)
	check.ID(&fields, "person_id", c.PersonID)
	check.ID(&fields, "customer_id", c.CustomerID)
	fields.Check(c.Hash != secret.Hash{}, "hash", "is missing")
	check.At(&fields, c.At)
	CheckReason(&fields, c.Reason, c.Ticket)
	return fields.Err()
}

// CheckReason checks what staff say when they want to look at an account.
func CheckReason(fields *fault.Fields, reason, ticket string) {
	check.Reason(fields, "reason", reason)
	if ticket != "" {
		check.Text(fields, "ticket", ticket)
	}
}

// NotImpersonable is of somebody whom staff cannot be: other staff, a person who is suspended, or not in that account, or
// an account that is banned.
func NotImpersonable() error {
	return fault.New(fault.Conflict, "not_impersonable", "only an active person of an account that is not banned can be looked at, on the customers' site")
}

const (
	selectImpersonator = `
select array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id)
from person p where p.id = $1 and p.site = 'admin' and p.status = 'active'`

	selectImpersonable = `
select exists (select from person p
    join membership m on m.person_id = p.id and m.customer_id = $2
    join customer c on c.id = m.customer_id and c.status <> 'banned'
    where p.id = $1 and p.site = 'account' and p.status = 'active')`

	insertImpersonation = `
insert into session (id, hash, site, person_id, customer_id, factors, opened_at, proved_at, seen_at, expires_at, idle, ip, user_agent, impersonator_id, reason, widened)
values ($1, $2, 'account', $3, $4, $5, $6, $6, $6, $7, $8, $9, $10, $11, $12, $13)`
)

// Handle opens the session.
func (c BeginImpersonation) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (OpenedSession, []events.Event, error) {
	if err := c.allowed(ctx, tx); err != nil {
		return OpenedSession{}, nil, err
	}
	said := c.Reason
	if c.Ticket != "" {
		said = c.Ticket + ": " + c.Reason
	}
	_, err := tx.Exec(ctx, insertImpersonation, c.SessionID, c.Hash[:], c.PersonID, c.CustomerID, []string{factorImpersonation}, c.At, c.At.Add(ImpersonationLife),
		ImpersonationLife, address(meta.IP), meta.UserAgent, c.ImpersonatorID, said, c.Widened)
	if err != nil {
		return OpenedSession{}, nil, fmt.Errorf("insert session: %w", err)
	}
	if c.Replaces != nil {
		if _, err := tx.Exec(ctx, endSession, c.Replaces, c.At); err != nil {
			return OpenedSession{}, nil, fmt.Errorf("end session %s: %w", c.Replaces, err)
		}
	}
	return OpenedSession{SessionID: c.SessionID}, nil, nil // no SessionOpened: the person has not signed in
}

// allowed asks for both: who looks, and whom and what they look at.
func (c BeginImpersonation) allowed(ctx context.Context, tx pgx.Tx) error {
	var has []string
	err := tx.QueryRow(ctx, selectImpersonator, c.ImpersonatorID).Scan(&has)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the permissions of %s: %w", c.ImpersonatorID, err)
	}
	may := permission.OfRoles(has)
	if !may.Has(permission.Impersonate) || c.Widened && !may.Has(permission.CustomersWrite) {
		return fault.New(fault.Forbidden, "not_allowed", "this is not yours to do")
	}
	var found bool
	if err := tx.QueryRow(ctx, selectImpersonable, c.PersonID, c.CustomerID).Scan(&found); err != nil {
		return fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	if !found {
		return NotImpersonable()
	}
	return nil
}
