package access

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
)

// Link is a mailed link that works.
type Link struct {
	ID           uuid.UUID
	Purpose      string // verify_email, reset_password, invitation, enrolment
	Site         string
	Email        string
	ExpiresAt    time.Time
	PersonID     *uuid.UUID // nil: an invitation
	CustomerID   *uuid.UUID // of an invitation
	Rights       string
	Account      string
	PersonName   string
	ContactOf    *uuid.UUID // the account of which the person's address is the contact, and the person an owner
	PersonExists bool       // somebody of the site has verified the address
}

//go:embed find_link.sql
var findLinkSQL string

// FindLink finds a link of a site that works, by its token's hash. Links live by the machine's clock. Errors: NotFound,
// which is the same for one that was used, revoked, is too old, is of the other site, or lets into an account of which its
// sender is no owner any more.
func FindLink(ctx context.Context, db query.Postgres, site string, hash secret.Hash, now time.Time) (Link, error) {
	return query.One[Link](ctx, db, "link", findLinkSQL, site, hash[:], now)
}
