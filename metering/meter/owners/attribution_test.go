package owners_test

import (
	"context"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/metering/meter/owners"
)

// Notes of changes are kept for a day. Who could not ask for longer than that reads everything anew.
func TestAViewIsNotTrustedLongerThanNotesAreKept(t *testing.T) {
	t.Parallel()
	db, ctx, now := postgrestest.New(t), context.Background(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a := owners.New(db.Pool(postgres.RoleMeter), func() time.Time { return now })
	exporters := func() int {
		t.Helper()
		v, err := a.Fresh(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(v.Exporters)
	}
	exporters()
	for _, sql := range []string{"insert into exporter (id, name, source, count_policy, created_at) values (gen_random_uuid(), 'leaf-0', '192.0.2.1', 'ingress', now())", "delete from attribution_change"} {
		if _, err := db.Pool(postgres.RoleOwner).Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		pause time.Duration
		want  int
	}{{time.Hour, 0}, {11 * time.Hour, 0}, {25 * time.Hour, 1}} {
		if now = now.Add(step.pause); exporters() != step.want {
			t.Errorf("%d exporters after %s without a question, want %d", exporters(), step.pause, step.want)
		}
	}
}
