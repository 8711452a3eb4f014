package access

import (
	"context"
	_ "embed"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Registrant is who sets a passkey up: as authenticators show them, and which passkeys they have.
type Registrant struct {
	Name          string
	Email         string
	Handle        []byte
	CredentialIDs [][]byte
}

//go:embed find_registrant.sql
var findRegistrantSQL string

// FindRegistrant finds a person by id. Errors: NotFound.
func FindRegistrant(ctx context.Context, db query.Postgres, person uuid.UUID) (Registrant, error) {
	return query.One[Registrant](ctx, db, "person", findRegistrantSQL, person)
}
