package access

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Credentials are what a person can prove their identity with.
type Credentials struct {
	PersonID        uuid.UUID
	Site            string
	Email           string
	EmailVerifiedAt *time.Time
	Name            string
	Locale          string
	Status          string
	PasswordHash    string // empty: none
	TOTPSeed        []byte // sealed; nil: none is set up
	TOTPLastStep    int64
	Passkeys        int
	RecoveryCodes   int // that are left
}

// HasSecondFactor tells whether a password alone does not do.
func (c Credentials) HasSecondFactor() bool { return c.TOTPSeed != nil || c.Passkeys > 0 }

//go:embed find_credentials.sql
var findCredentialsSQL string

// FindCredentials finds a person of a site by id or mail address. Errors: NotFound.
func FindCredentials(ctx context.Context, db query.Postgres, site, reference string) (Credentials, error) {
	var id *uuid.UUID // no mail address is one
	if parsed, err := uuid.Parse(reference); err == nil {
		id = &parsed
	}
	return query.One[Credentials](ctx, db, "person", findCredentialsSQL, site, reference, id)
}
