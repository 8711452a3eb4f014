package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/schemas/events"
)

const (
	// An address is the contact of one account alone, and another may have the new one.
	followContact = `
update customer c set email = $4
where c.id = $1 and c.email = $3 and exists (select from membership m where m.customer_id = c.id and m.person_id = $2 and m.rights = 'owner')
  and not exists (select from customer o where o.email = $4)`

	uniqueViolation = "23505"
)

// follow has the account whose contact was the person's old address, and which they own, go on with the new one. Where that
// cannot be, the account keeps the old one, and nothing else fails for it.
func (c VerifyEmail) follow(ctx context.Context, tx pgx.Tx, old, email string, change *command.Change) ([]events.Event, error) {
	if c.Contact == nil {
		return nil, nil
	}
	point, err := tx.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin a savepoint: %w", err)
	}
	tag, err := point.Exec(ctx, followContact, c.Contact, c.PersonID, old, email)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == uniqueViolation: // an account got the address in this moment
		return nil, point.Rollback(ctx)
	case err != nil:
		return nil, fmt.Errorf("change the contact of %s: %w", c.Contact, err)
	}
	if err := point.Commit(ctx); err != nil || tag.RowsAffected() == 0 {
		return nil, err
	}
	was, _ := change.Before.(provedFields)
	is, _ := change.After.(provedFields)
	was.Contact, is.Contact = old, email
	change.Before, change.After = was, is
	return []events.Event{events.CustomerChanged{CustomerID: *c.Contact}}, nil
}
