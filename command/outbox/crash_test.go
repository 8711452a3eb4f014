package outbox_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/crashtest"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

const (
	crashTTL    = 300 * time.Millisecond
	crashRounds = 2
)

// crash is a database, a topic and the books by which a crash test is judged.
type crash struct {
	fixture
	dsn     string
	brokers []string
	started int
	mu      sync.Mutex
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	cluster, database := kafkatest.New(t), postgrestest.New(t)
	c := &crash{dsn: database.DSN(), brokers: cluster.Brokers, fixture: fixture{
		t: t, pool: database.Pool(postgres.RoleCommand), owner: database.Pool(postgres.RoleOwner), client: cluster.Client(t), topic: cluster.Topic(t, partitions),
	}}
	_, err := c.owner.Exec(t.Context(), `create table crash_effect (id bigint generated always as identity, event_id uuid, aggregate_id uuid, version bigint);
		create table crash_write (id uuid); grant select, insert on crash_effect, crash_write to ezscale_command`)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// spawn starts a part as a process, which ends with this one.
func (c *crash) spawn(r role) *exec.Cmd {
	c.t.Helper()
	c.mu.Lock()
	c.started++
	r.DSN, r.Brokers, r.Topic, r.Seed = c.dsn, c.brokers, c.topic, uint64(c.started)
	r.Instance = fmt.Sprintf("%s-%d", r.Part, c.started)
	c.mu.Unlock()
	return crashtest.Spawn(c.t, roleVariable, r)
}

func (c *crash) count(sql string) (n int) {
	c.t.Helper()
	if err := c.owner.QueryRow(context.Background(), sql).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// judge waits until everything is through and compares the outbox, the wire and the effects.
func (c *crash) judge() (duplicates int) {
	c.t.Helper()
	total := c.count("select count(*) from outbox")
	c.await("the last effect", func() bool { return c.count("select count(*) from crash_effect") >= total })
	lost := c.count("select count(*) from outbox o where not exists (select from crash_effect e where e.event_id = o.event_id)")
	double := c.count("select count(*) - count(distinct event_id) from crash_effect")
	reordered := c.count(`select count(*) from (select version, row_number() over (partition by aggregate_id order by id) as rank from crash_effect) e where version <> rank`)
	parked := c.count("select count(*) from parked_message")
	wire := c.read()
	distinct, last := map[uuid.UUID]bool{}, map[int]int64{}
	gaps := 0
	for _, e := range wire {
		distinct[e.ID] = true
		if e.Sequence > last[e.partition]+1 {
			gaps++
		}
		last[e.partition] = max(last[e.partition], e.Sequence)
	}
	duplicates = len(wire) - len(distinct)
	c.t.Logf("%d events, %d messages, %d duplicates on the wire, %d processes", total, len(wire), duplicates, c.started)
	if lost+double+reordered+parked+gaps != 0 || len(distinct) != total {
		c.t.Errorf("lost %d, effects doubled %d, reordered %d, parked %d, gaps on the wire %d, distinct on the wire %d of %d",
			lost, double, reordered, parked, gaps, len(distinct), total)
	}
	return duplicates
}

// writeMeanwhile runs writers in this process until the function it gives is called.
func (c *crash) writeMeanwhile(writers int) (stop func()) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	waker := outbox.NewWaker(c.pool, quiet)
	if err := waker.Start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	db := command.NewDB(c.pool, waker, quiet, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			if err := keepWriting(ctx, db, uint64(1000+i), func(string) {}); err != nil {
				c.t.Error(err)
			}
		})
	}
	return func() { cancel(); group.Wait(); _ = waker.Stop(context.Background()) }
}

// Every part is killed between every two of its steps, while others write and the other parts are killed too.
func TestKilledBetweenEveryTwoSteps(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	stop := c.writeMeanwhile(3)
	parts := map[string]string{
		"relay":    "read produce produced move moved",
		"consumer": "begin advanced handled committed",
		"writer":   "written committed",
	}
	var group sync.WaitGroup
	for part, steps := range parts {
		group.Go(func() {
			for round := range crashRounds {
				for i, step := range strings.Fields(steps) {
					cmd := c.spawn(role{Part: part, Strike: crashtest.Strike{Step: step, After: int64(1 + round*3 + i)}})
					crashtest.AwaitKill(t, cmd, part+" at "+step, pollBound)
				}
			}
		})
	}
	group.Wait()
	stop()
	relay, consumer := c.spawn(role{Part: "relay"}), c.spawn(role{Part: "consumer"})
	defer crashtest.End(relay)
	defer crashtest.End(consumer)
	if duplicates := c.judge(); duplicates == 0 {
		t.Error("no duplicates on the wire: the kills did not hit")
	}
}

// A relay that is stopped with a batch in its hands, sleeps past its lease and wakes up publishes late; the
// consumers drop what it sends, and it finds itself fenced.
func TestZombieRelay(t *testing.T) {
	t.Parallel()
	c := newCrash(t)
	consumer := c.spawn(role{Part: "consumer"})
	defer crashtest.End(consumer)
	stop := c.writeMeanwhile(2)
	for range crashRounds {
		zombie := c.spawn(role{Part: "relay", Strike: crashtest.Strike{Step: "produce", After: 4, Stop: true}})
		c.await("the stop of the relay", func() bool { return crashtest.IsStopped(zombie) })
		before := c.count("select epoch::int from relay")
		next := c.spawn(role{Part: "relay"})
		mark := c.count("select count(*) from crash_effect")
		c.await("publishing by the next relay", func() bool {
			return c.count("select epoch::int from relay") > before && c.count("select count(*) from crash_effect") > mark+100
		})
		if err := zombie.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		c.await("a late message", func() bool { return c.late() > 0 })
		crashtest.End(next)
		crashtest.End(zombie)
	}
	stop()
	relay := c.spawn(role{Part: "relay"})
	defer crashtest.End(relay)
	if c.judge() == 0 {
		t.Error("the zombie published nothing")
	}
}

// late counts messages of an epoch behind a newer one on their partition.
func (c *crash) late() (n int) {
	newest := map[int]int64{}
	for _, e := range c.read() {
		if e.Epoch < newest[e.partition] {
			n++
		}
		newest[e.partition] = max(newest[e.partition], e.Epoch)
	}
	return n
}
