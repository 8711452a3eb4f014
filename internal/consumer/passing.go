package consumer

import (
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/kafka"
)

// handlerFault is an error that a handler or an effect gave, on a connection that still works.
type handlerFault struct{ error }

func (h handlerFault) Unwrap() error { return h.error }

// isBlamed tells failures that the records must answer for: what their handler said, and what Postgres said about
// the written rows, at the latest when it checked deferred constraints. All others are failures of the
// surroundings, which end by themselves and must never park a message.
func isBlamed(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return !isPassingState(pg.Code)
	}
	var said handlerFault
	return errors.As(err, &said) && !isPassing(said.error)
}

// isPassing knows the errors by which a handler says that something it needs is away.
func isPassing(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.Is(err, ErrUnavailable) || errors.Is(err, kafka.ErrUnavailable) || fault.Is(err, fault.Unavailable) ||
		errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err)
}

// isPassingState knows the classes of SQLSTATE that say: not now. A statement that took too long (57014) is not
// one of them: it would take as long again. Source: PostgreSQL documentation, appendix A.
func isPassingState(code string) bool {
	switch code[:min(2, len(code))] {
	case "08", "40", "53", "58":
		return true
	case "57":
		return code != "57014"
	}
	return code == "55P03" // lock not available
}
