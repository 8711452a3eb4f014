// Package staff decides who works here, and what each may do: roles, and who has them; how somebody comes in, and is shut
// out. How they prove who they are, and their sessions, are package access's.
//
// Two rules hold whatever is ordered. Nobody gives, takes or changes what they do not have: who may write staff does not
// become an administrator by it, nor lock one out. And while there is somebody who can give roles, the last such person
// stays. Both are about many rows at once, so every order waits for one lock.
package staff

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

const (
	// lockRoles is that lock: all roles. The role admin is always there.
	lockRoles = `select from role order by id for update`

	grantedTo = `
select array(select distinct unnest(r.permissions) from person_role pr join role r on r.id = pr.role_id where pr.person_id = p.id)
from person p where p.id = $1 and p.site = 'admin'`

	countGivers = `
select count(distinct p.id) from person p join person_role pr on pr.person_id = p.id join role r on r.id = pr.role_id
where p.site = 'admin' and p.status = 'active' and r.permissions && array[$1, $2]`

	statusOf = `select status from person where id = $1 and site = 'admin'`
)

// reach is what somebody may give to others: what they have.
type reach struct {
	everything bool // of later versions, too
	set        permission.Set
}

func reachOf(granted []string) reach {
	return reach{everything: slices.Contains(granted, permission.All), set: permission.OfRoles(granted)}
}

// covers tells whether all of what a role or a person has is in reach.
func (r reach) covers(granted []string) bool {
	if r.everything {
		return true
	}
	outside := func(p permission.Permission) bool { return !r.set.Has(p) }
	return !slices.Contains(granted, permission.All) && !slices.ContainsFunc(permission.OfRoles(granted).List(), outside)
}

// demand is covers as a fault.
func (r reach) demand(granted []string) error {
	if r.covers(granted) {
		return nil
	}
	return fault.New(fault.Forbidden, "beyond_own_permissions", "this is about permissions that you do not have yourself")
}

// order runs a change to staff or roles under the two rules. By is who orders, nil for whoever runs the machine.
func order(ctx context.Context, tx pgx.Tx, by *uuid.UUID, change func(reach) error) error {
	if _, err := tx.Exec(ctx, lockRoles); err != nil {
		return fmt.Errorf("lock the roles: %w", err)
	}
	own, err := reachOfOrderer(ctx, tx, by)
	if err != nil {
		return err
	}
	before, err := givers(ctx, tx)
	if err != nil {
		return err
	}
	if err := change(own); err != nil {
		return err
	}
	after, err := givers(ctx, tx)
	if err != nil {
		return err
	}
	if before > 0 && after == 0 {
		return fault.New(fault.Conflict, "last_administrator", "somebody has to be left who can give roles: make somebody else an administrator first")
	}
	return nil
}

// reachOfOrderer asks again, under the lock: since the request came in, the orderer may have lost what it needs.
func reachOfOrderer(ctx context.Context, tx pgx.Tx, by *uuid.UUID) (reach, error) {
	if by == nil {
		return reach{everything: true}, nil
	}
	has, err := granted(ctx, tx, *by)
	if err != nil {
		return reach{}, err
	}
	var status string
	if err := tx.QueryRow(ctx, statusOf, by).Scan(&status); err != nil {
		return reach{}, fmt.Errorf("read the status of %s: %w", by, err)
	}
	if own := reachOf(has); status == "active" && own.set.Has(permission.StaffWrite) {
		return own, nil
	}
	return reach{}, fault.New(fault.Forbidden, "not_allowed", "this is not yours to do")
}

// granted are the permissions of somebody's roles.
func granted(ctx context.Context, tx pgx.Tx, person uuid.UUID) ([]string, error) {
	var all []string
	err := tx.QueryRow(ctx, grantedTo, person).Scan(&all)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, noSuchStaff(person)
	}
	if err != nil {
		return nil, fmt.Errorf("read the permissions of %s: %w", person, err)
	}
	return all, nil
}

func givers(ctx context.Context, tx pgx.Tx) (n int, err error) {
	if err = tx.QueryRow(ctx, countGivers, permission.All, string(permission.StaffWrite)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count who can give roles: %w", err)
	}
	return n, nil
}

func noSuchStaff(person uuid.UUID) error {
	return fault.New(fault.NotFound, "staff_not_found", "there is nobody %s among the staff", person)
}
