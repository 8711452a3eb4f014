package audit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/audit"
)

// Commands run side by side, some hold their transaction open, some fail, and two sealers compete: every row gets one
// number, without holes, in the order of transactions.
func TestManyCommandsAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	start(t, f.sealer(audit.Config{BatchRows: 7}))
	start(t, f.sealer(audit.Config{BatchRows: 13}))
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 40 {
				c := note{ID: uuid.New(), Text: strings.Repeat("x", i)}
				fails := i%10 == 9
				if i%8 == worker {
					c.also = func(ctx context.Context, tx pgx.Tx) error {
						_, err := tx.Exec(ctx, "select pg_current_xact_id(), pg_sleep(0.03)")
						return err
					}
				}
				if fails {
					c.also = func(context.Context, pgx.Tx) error { return errors.New("no") }
				}
				if _, err := command.Run(context.Background(), f.db, f.meta(), c); (err != nil) != fails {
					t.Errorf("command %d: %v", i, err)
				}
			}
		})
	}
	group.Wait()
	f.await("the last seal", f.allSealed)
	if n := one[int](f, "select count(*) from audit"); n != 8*36 {
		t.Errorf("%d rows", n)
	}
	if n := one[int](f, "select count(*) - max(seq) from audit_seal"); n != 0 {
		t.Errorf("%d too few or too many numbers", n)
	}
	if n := one[int](f, `select count(*) from (select (a.txid, a.id) > lag((a.txid, a.id)) over (order by s.seq) as rises from audit_seal s join audit a on a.id = s.audit_id) o where not rises`); n != 0 {
		t.Errorf("%d rows out of order", n)
	}
	f.intact(audit.Options{PageRows: 50})
}

// A row of a transaction that is still open holds up those that came after it, and is sealed before them.
func TestOpenTransactionsAreWaitedFor(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := f.sealer(audit.Config{})
	begun, finish := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := command.Run(context.Background(), f.db, f.meta(), note{ID: uuid.New(), Text: "slow", also: func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "select pg_current_xact_id()")
			close(begun)
			<-finish
			return err
		}})
		done <- err
	}()
	<-begun
	f.note("quick")
	if n, err := s.Seal(t.Context()); n != 0 || err != nil {
		t.Errorf("sealed %d past an open transaction (%v)", n, err)
	}
	if report := f.verify(audit.Options{}); !report.Intact || report.Rows != 0 || report.Unsealed != 1 {
		t.Errorf("%+v", report)
	}
	close(finish)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.sealAll(s)
	if got := one[string](f, "select string_agg(input->>'text', ' ' order by s.seq) from audit a join audit_seal s on s.audit_id = a.id"); got != "slow quick" {
		t.Errorf("sealed in the order %q", got)
	}
	f.intact(audit.Options{})
}

// A head is signed after enough rows, and after an hour if there is a row to sign for.
func TestHeadsAreSigned(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := f.sealer(audit.Config{HeadRows: 5})
	sequences := func() (all []int64) {
		for _, h := range f.heads() {
			if !h.IsSigned() {
				t.Errorf("head %d is not signed", h.Sequence)
			}
			all = append(all, h.Sequence)
		}
		return all
	}
	want := func(n int, last int64) {
		t.Helper()
		if got := sequences(); len(got) != n || got[n-1] != last {
			t.Fatalf("heads %v, want %d up to %d", got, n, last)
		}
	}
	f.note("1")
	f.sealAll(s)
	want(1, 1)
	for range 4 {
		f.note("2-5")
	}
	f.sealAll(s)
	want(1, 1)
	f.note("6")
	f.sealAll(s)
	want(2, 6)
	f.now.Add(time.Hour.Microseconds())
	f.sealAll(s)
	want(2, 6) // nothing new to say
	f.note("7")
	f.sealAll(s)
	want(3, 7)
	f.now.Add(time.Hour.Microseconds() - 1)
	f.note("8")
	f.sealAll(s)
	want(3, 7)
	f.now.Add(1)
	f.sealAll(s) // no row comes, but the hour is over
	want(4, 8)
	f.now.Add(-365 * 24 * time.Hour.Microseconds())
	f.note("9")
	f.sealAll(s) // the clock was a year ahead when the last head was signed: nobody waits so long for the next
	want(5, 9)
	if report := f.intact(audit.Options{Heads: f.heads()[1:3]}); report.Heads != 7 || report.Outside != 2 || report.Signed != 9 {
		t.Errorf("%+v", report)
	}
}

// What a sealer tells of itself: rows that wait, and health when they wait for too long.
func TestWhatWaitsIsSeen(t *testing.T) {
	t.Parallel()
	f := setup(t)
	registry := prometheus.NewRegistry()
	s := audit.NewSealer(audit.Config{Now: time.Now, Poll: 5 * time.Millisecond, StallAfter: 200 * time.Millisecond}, f.pool, f.key, quiet(), registry)
	f.note("one")
	holder, err := f.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback(context.Background()) }()
	if _, err := holder.Exec(t.Context(), "select pg_advisory_xact_lock(418581342580)"); err != nil { // "audit": as if another sealer hung
		t.Fatal(err)
	}
	start(t, s)
	waiting := func(n string) bool {
		return testutil.GatherAndCompare(registry, strings.NewReader("# HELP ezscale_audit_unsealed_rows Audit rows that are not in the chain yet, counted up to 10,000.\n"+
			"# TYPE ezscale_audit_unsealed_rows gauge\nezscale_audit_unsealed_rows "+n+"\n"), "ezscale_audit_unsealed_rows") == nil
	}
	f.await("the gauge", func() bool { return waiting("1") })
	f.await("bad health", func() bool { return s.Health() != nil })
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.await("good health", func() bool { return s.Health() == nil && waiting("0") })
}

// Restored from a dump into a new server, transactions count from the beginning again. The chain goes on: with what
// the dump brought unsealed, then with what comes.
func TestTheChainOutlivesARestore(t *testing.T) {
	t.Parallel()
	f := setup(t)
	s := f.sealer(audit.Config{BatchRows: 2})
	for range 5 {
		f.note("old")
	}
	f.sealAll(s)
	f.exec("alter table audit disable trigger user; alter table audit_seal disable trigger user; alter table audit_chain disable trigger user; alter table audit_head disable trigger user")
	f.exec("truncate audit_seal, audit_head; update audit_chain set seq = 0, hash = decode(repeat('00', 32), 'hex'), cursor_txid = '4000000000'")
	f.exec("update audit set txid = (4000000000 + id)::text::xid8")
	f.exec("alter table audit enable trigger user; alter table audit_seal enable trigger user; alter table audit_chain enable trigger user; alter table audit_head enable trigger user")
	f.note("new 1")
	f.sealAll(s)
	f.note("new 2")
	f.sealAll(s)
	if got := one[string](f, "select string_agg(input->>'text', ' ' order by s.seq) from audit a join audit_seal s on s.audit_id = a.id"); got != "old old old old old new 1 new 2" {
		t.Errorf("sealed in the order %q", got)
	}
	f.intact(audit.Options{})
}
