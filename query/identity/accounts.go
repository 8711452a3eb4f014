package identity

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Address is a postal address.
type Address struct {
	Line1      string `json:"line1" maxLength:"200"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" maxLength:"200"`
	Region     string `json:"region,omitempty" maxLength:"200"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"200"`
	Country    string `json:"country" maxLength:"2" doc:"ISO 3166-1 alpha-2, such as DE"`
}

// Account is a customer's profile, whole.
type Account struct {
	ID              uuid.UUID `json:"id" format:"uuid"`
	Email           string    `json:"email"`
	Name            string    `json:"name"`
	Company         string    `json:"company"`
	Phone           string    `json:"phone"`
	SealedTaxID     []byte    `json:"-"`
	TaxExempt       bool      `json:"tax_exempt"`
	Locale          string    `json:"locale"`
	TimeZone        string    `json:"time_zone"`
	Status          string    `json:"status" enum:"active,suspended,banned"`
	CreatedAt       time.Time `json:"created_at"`
	BillingAddress  *Address  `json:"billing_address,omitempty" doc:"Missing while there is none"`
	ShippingAddress *Address  `json:"shipping_address,omitempty" doc:"Missing where it is the billing address"`
	Version         int64     `json:"version" doc:"Give it back to change only what you have seen"`
}

// Invitation is one that is open.
type Invitation struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Email     string    `json:"email"`
	Rights    string    `json:"rights" enum:"owner,billing,technical,read_only"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

//go:embed find_account.sql
var findAccountSQL string

//go:embed list_invitations.sql
var listInvitationsSQL string

// FindAccount finds an account's profile by id or mail address. Errors: NotFound.
func FindAccount(ctx context.Context, db query.Postgres, scope query.Scope, reference string) (Account, error) {
	return query.One[Account](ctx, db, "customer", findAccountSQL, scope.Owner(), reference)
}

// ListInvitations lists an account's invitations that work, newest first.
func ListInvitations(ctx context.Context, db query.Postgres, scope query.Scope, customer uuid.UUID, now time.Time) ([]Invitation, error) {
	return query.All[Invitation](ctx, db, listInvitationsSQL, scope.Owner(), customer, now)
}
