package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
)

const selectOrderer = `
select array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id)
from person p where p.id = $1 and p.site = 'admin' and p.status = 'active'`

// demand refuses an order about clients that may do by themselves what the orderer may not: whoever has a secret of one
// can do it, so who manages clients would have every permission by that. By is who orders, nil for whoever runs the
// machine. A client that acts for people alone has at most what each of them has, and is for everybody to manage.
func demand(ctx context.Context, tx pgx.Tx, by *uuid.UUID, site string, clients ...ClientSettings) error {
	if by == nil {
		return nil
	}
	var granted []string
	err := tx.QueryRow(ctx, selectOrderer, by).Scan(&granted)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the permissions of %s: %w", by, err)
	}
	own := permission.OfRoles(granted)
	if !own.Has(permission.ClientsWrite) { // lost since the request came in
		return fault.New(fault.Forbidden, "not_allowed", "this is not yours to do")
	}
	for _, c := range clients {
		if slices.ContainsFunc(c.alone(site), func(p permission.Permission) bool { return !own.Has(p) }) {
			return fault.New(fault.Forbidden, "beyond_own_permissions", "by itself this application may do what you may not do yourself")
		}
	}
	return nil
}

// alone is what a client may do by itself, as the permissions that staff need for it.
func (s ClientSettings) alone(site string) []permission.Permission {
	if !slices.Contains(s.Grants, GrantClient) {
		return nil
	}
	all := []permission.Permission{}
	for _, scope := range Permissions(s.Scopes) {
		p := permission.Permission(scope)
		if site == siteAccount {
			p = permission.OverAccounts(p)
		}
		all = append(all, p)
	}
	return all
}
