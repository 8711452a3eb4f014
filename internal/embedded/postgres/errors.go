package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

func isTooManyConnections(err error) bool {
	const tooManyConnections = "53300" // SQLSTATE
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == tooManyConnections
}
