package query_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/query"
)

// The tests' login user is a superuser, an operator's is a member of the roles and no more; for the read side it may
// be one of its own, which can lack a role.
func TestWallOfAnOrdinaryLogin(t *testing.T) {
	t.Parallel()
	h := newHouses(t)
	login := "login_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	h.exec(t, "create role "+login+" login password 'x' in role ezscale_query")
	t.Cleanup(func() { _, _ = h.owner.Exec(context.Background(), "drop role "+login) })
	dsn, err := url.Parse(h.db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.User = url.UserPassword(login, "x")
	pool, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn.String(), Role: postgres.RoleQuery})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close) // before the role goes
	wall := query.NewWall(pool)
	if err := wall.Check(t.Context()); err == nil {
		t.Error("a login user without the role passes the check")
	}
	h.exec(t, "grant ezscale_customer to "+login)
	if err := wall.Check(t.Context()); err != nil {
		t.Error(err)
	}
	ctx := query.WithScope(t.Context(), query.Customer(h.a))
	if n := count(t, ctx, wall, "select count(*) from service"); n != 1 {
		t.Errorf("a customer sees %d services", n)
	}
	if n := count(t, query.WithScope(ctx, query.Staff()), wall, "select count(*) from service"); n != 2 {
		t.Errorf("staff sees %d services", n)
	}
	h.holdPlain(t, pool)
}
