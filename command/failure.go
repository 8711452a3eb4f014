package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/internal/fault"
)

// SQLSTATEs that say: run it again. Source: PostgreSQL documentation, appendix A.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	integrityClass       = "23"
)

// secretKeyKnown is the constraint of sealed columns (migration 00013): the key that sealed a value was taken away since.
const secretKeyKnown = "secret_key_known"

// unreachable is a failure to get a connection: nothing was sent.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

func isRepeatable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == serializationFailure || pg.Code == deadlockDetected)
}

func busy(err error) error {
	return &fault.Error{Kind: fault.Conflict, Code: "busy", Message: "others are changing the same things, try again", Cause: err}
}

// explain turns what Postgres says into what the caller can act on.
func (o *order) explain(ctx context.Context, err error) error {
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("command %s: %w", o.name, errors.Join(ctx.Err(), err))
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, integrityClass) {
		return o.explainConstraint(pg, err)
	}
	if isUnreachable(err) {
		return &fault.Error{
			Kind: fault.Unavailable, Code: "database_unavailable", Cause: err,
			Message: "the database did not answer; whether the command was done is not known, repeat it with the same idempotency key",
		}
	}
	return fmt.Errorf("command %s: %w", o.name, err)
}

func (o *order) explainConstraint(pg *pgconn.PgError, err error) error {
	if pg.ConstraintName == secretKeyKnown {
		return &fault.Error{Kind: fault.Unavailable, Code: "secrets_unavailable", Cause: err, Message: "the keys of secrets are being exchanged; try again in a minute"}
	}
	constrained, ok := o.command.(Constrained)
	if !ok {
		return fmt.Errorf("command %s: %w", o.name, err)
	}
	meaning := constrained.Constraints()[pg.ConstraintName]
	if meaning == nil {
		return fmt.Errorf("command %s: %w", o.name, err)
	}
	explained := *meaning
	explained.Cause = err
	return &explained
}

func isUnreachable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		class := pg.Code[:min(2, len(pg.Code))]
		return class == "08" || class == "53" || class == "57" && pg.Code != "57014"
	}
	var network net.Error
	var connect *pgconn.ConnectError
	var none unreachable
	return errors.As(err, &network) || errors.As(err, &connect) || errors.As(err, &none) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// withoutValues is an error for the log: Postgres puts a row's values into the detail, never into the message.
func withoutValues(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fmt.Sprintf("%s (SQLSTATE %s, constraint %q)", pg.Message, pg.Code, pg.ConstraintName)
	}
	return err.Error()
}

func (o *order) outcome(err error) string {
	var f *fault.Error
	switch {
	case err == nil && o.replayed:
		return "replayed"
	case err == nil:
		return "ok"
	case errors.As(err, &f):
		return string(f.Kind)
	}
	return "error"
}
