package access

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
)

// Enrolment is an enrolment link that works, and whose it is.
type Enrolment struct {
	LinkID   uuid.UUID
	PersonID uuid.UUID
	Email    string
	Name     string
}

//go:embed find_enrolment.sql
var findEnrolmentSQL string

// FindEnrolment finds the link of a token by its hash. Errors: NotFound, also of one that is used, taken back, too old,
// or of somebody who is suspended or has another address by now.
func FindEnrolment(ctx context.Context, db query.Postgres, hash secret.Hash, now time.Time) (Enrolment, error) {
	return query.One[Enrolment](ctx, db, "link", findEnrolmentSQL, hash[:], now)
}
