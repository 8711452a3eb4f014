package access

import (
	"context"
	_ "embed"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Passkey is a passkey that opens something, and whose it is.
type Passkey struct {
	ID                uuid.UUID
	PersonID          uuid.UUID
	Handle            []byte // of the person
	CredentialID      []byte
	PublicKey         []byte // COSE
	SignCount         int64
	AAGUID            []byte
	Transports        []string
	AttestationFormat string
	BackupEligible    bool
	BackedUp          bool
	PasswordHash      string // of the person, as of then; empty: none
}

//go:embed find_passkey.sql
var findPasskeySQL string

//go:embed list_passkeys.sql
var listPasskeysSQL string

// FindPasskey finds a passkey of a site by its credential id. One that was copied, or of a person who is suspended, is not
// there. Errors: NotFound.
func FindPasskey(ctx context.Context, db query.Postgres, site string, credentialID []byte) (Passkey, error) {
	return query.One[Passkey](ctx, db, "passkey", findPasskeySQL, site, credentialID)
}

// ListPasskeys lists those of a person that open something.
func ListPasskeys(ctx context.Context, db query.Postgres, site string, person uuid.UUID) ([]Passkey, error) {
	return query.All[Passkey](ctx, db, listPasskeysSQL, site, person)
}
