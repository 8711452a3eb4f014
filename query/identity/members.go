package identity

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Member is a person of an account.
type Member struct {
	PersonID uuid.UUID `json:"person_id" format:"uuid"`
	Name     string    `json:"name"`
	Email    string    `json:"email"`
	Rights   string    `json:"rights" enum:"owner,billing,technical,read_only"`
	Status   string    `json:"status" enum:"active,suspended,banned"`
	Since    time.Time `json:"since"`
}

//go:embed list_members.sql
var listMembersSQL string

// ListMembers lists an account's people, owners first.
func ListMembers(ctx context.Context, db query.Postgres, scope query.Scope, customer uuid.UUID) ([]Member, error) {
	return query.All[Member](ctx, db, listMembersSQL, scope.Owner(), customer)
}
