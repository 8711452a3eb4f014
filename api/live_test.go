package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/query"
)

const patience = 20 * time.Second

// events is a live stream being read.
type events struct {
	t    testing.TB
	read chan event
	stop context.CancelFunc
	cut  atomic.Bool // the reader gave up, not the server
}

type event struct{ name, data string }

// watch opens the stream of a service; its channel closes when the stream ends.
func (e *env) watch(service string, who as) (*events, int) {
	e.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	request, err := http.NewRequestWithContext(ctx, "GET", e.server.URL+"/api/v1/services/"+service+"/live", nil)
	if err != nil {
		e.Fatal(err)
	}
	who(request)
	response, err := e.server.Client().Do(request)
	if err != nil {
		e.Fatal(err)
	}
	s := &events{t: e.TB, read: make(chan event), stop: stop}
	e.Cleanup(stop)
	go func() {
		defer close(s.read)
		defer func() { s.cut.Store(ctx.Err() != nil) }()
		defer response.Body.Close()
		var next event
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case name == "event":
				next.name = value
			case name == "data":
				next.data = value
			case lines.Text() == "" && next.name != "":
				select {
				case s.read <- next:
				case <-ctx.Done():
					return
				}
				next = event{}
			}
		}
	}()
	return s, response.StatusCode
}

type usage struct {
	At    time.Time
	Slots []struct {
		T    time.Time
		InL2 int64 `json:"in_l2"`
	}
	Cycle *struct {
		Billable int64 `json:"billable_bytes"`
	}
}

// until reads events of a name until one is as it should be.
func (s *events) until(name string, fits func(data []byte) bool) {
	s.t.Helper()
	for e := range s.read {
		if e.name == name && fits([]byte(e.data)) {
			return
		}
	}
	s.t.Fatalf("the stream ended before the %s event that was waited for", name)
}

func (s *events) untilUsage(fits func(usage) bool) {
	s.t.Helper()
	s.until("usage", func(data []byte) bool {
		var u usage
		if err := json.Unmarshal(data, &u); err != nil {
			s.t.Fatalf("%v in %s", err, data)
		}
		return fits(u)
	})
}

// untilEnd waits for the server to end the stream.
func (s *events) untilEnd() {
	s.t.Helper()
	for range s.read {
	}
	if s.cut.Load() {
		s.t.Fatal("the server did not end the stream")
	}
}

func TestTheStreamFollowsTheMeter(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.meter("svc-a", start.Add(-time.Minute), 100, 10)
	e.meter("svc-b", start.Add(-time.Minute), 777, 77)
	s, status := e.watch("svc-a", e.customer("a@example.com"))
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	s.untilUsage(func(u usage) bool {
		return len(u.Slots) == 1 && u.Slots[0].InL2 == 100 && u.Cycle.Billable == 110 && u.At.Equal(start)
	})
	e.meter("svc-a", start.Add(-time.Minute), 1, 0)
	s.untilUsage(func(u usage) bool { return len(u.Slots) == 1 && u.Slots[0].InL2 == 101 && u.Cycle.Billable == 111 })
	e.clock.ahead.Store(int64(10 * time.Second))
	e.meter("svc-a", start, 5, 0)
	s.untilUsage(func(u usage) bool { return len(u.Slots) == 1 && u.Slots[0].InL2 == 5 })
	e.exec(`insert into quota_alert (service_id, cycle_id, threshold, quota_bytes, billable_bytes, crossed_at, event_id)
		select s.id, c.id, 75, 100, 75, $1, gen_random_uuid() from service s join cycle c on c.service_id = s.id where s.name = 'svc-a'`, start)
	e.meter("svc-a", start, 1, 0)
	s.until("alert", func(data []byte) bool {
		return strings.Contains(string(data), `"threshold":75`) && strings.Contains(string(data), `"name":"svc-a"`)
	})
	s.untilUsage(func(u usage) bool { return len(u.Slots) == 0 }) // silence moves the graph too
}

func TestTheStreamEndsWithTheSession(t *testing.T) {
	t.Parallel()
	e := company(t)
	a := e.customer("")
	s, _ := e.watch("svc-a", a)
	s.untilUsage(func(usage) bool { return true })
	if got := e.call("DELETE", "/api/v1/session", "", a); got.status != 204 {
		t.Fatalf("sign out: %d", got.status)
	}
	s.untilEnd()
	if _, status := e.watch("svc-a", a); status != 401 {
		t.Errorf("after signing out: %d", status)
	}
}

// What a request would be refused for ends a stream that is open, whoever watches and by whatever; nothing else does.
func TestTheStreamEndsWithTheRightToIt(t *testing.T) {
	t.Parallel()
	e := company(t)
	last := func(table, column string) string {
		var id string
		e.must0(e.owner.QueryRow(context.Background(), `select `+column+`::text from `+table+` order by ctid desc limit 1`).Scan(&id))
		return id
	}
	streams := map[string]*events{}
	watch := func(name string, who as) {
		t.Helper()
		s, status := e.watch("svc-a", who)
		if status != 200 {
			t.Fatalf("%s: status %d", name, status)
		}
		s.untilUsage(func(usage) bool { return true })
		streams[name] = s
	}
	var then []func()
	later := func(sql string, args ...any) { then = append(then, func() { e.exec(sql, args...) }) }
	watch("staff who lose a role", e.worker("network"))
	later(`delete from person_role where person_id = $1`, last("person", "id"))
	watch("staff whose role loses the permission", e.worker("support"))
	later(`update role set permissions = '{customers.read}' where name = 'support'`)
	watch("staff who are suspended", e.worker("admin"))
	later(`update person set status = 'suspended' where id = $1`, last("person", "id"))
	watch("a member who is taken out", e.member("a@example.com", "owner"))
	later(`delete from membership where person_id = $1`, last("person", "id"))
	watch("a member who looks at another account", e.member("a@example.com", "owner"))
	person := last("person", "id")
	later(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'owner', now())`, person, e.account("b@example.com"))
	later(`update session set customer_id = $2 where person_id = $1`, person, e.account("b@example.com"))
	watch("a token that is revoked", e.tokenOf("a@example.com", "owner", "services.read"))
	later(`update api_token set revoked_at = created_at where id = $1`, last("api_token", "id"))
	watch("an application whose token is over", e.applicationOf("a@example.com", "owner", "services.read"))
	later(`update oauth_token set expires_at = issued_at where hash = $1::bytea`, last("oauth_token", "hash"))
	watch("an application that is taken back", e.applicationOf("a@example.com", "owner", "services.read"))
	later(`update oauth_grant set revoked_at = created_at where id = $1`, last("oauth_grant", "id"))
	watch("an application that loses the scope", e.applicationOf("a@example.com", "owner", "services.read"))
	later(`update oauth_client set scopes = '{openid}' where id = $1`, last("oauth_client", "id"))
	watch("a client by itself that is deleted", e.applicationOf("a@example.com", "", "services.read"))
	later(`delete from oauth_client where id = $1`, last("oauth_client", "id"))
	ended := maps.Clone(streams)
	watch("a member whose token is another now", e.member("a@example.com", "owner"))
	later(`update session set hash = sha256('x') where person_id = $1`, last("person", "id"))
	watch("a member with other rights that do", e.member("a@example.com", "owner"))
	later(`update membership set rights = 'technical' where person_id = $1`, last("person", "id"))
	watch("an application", e.applicationOf("a@example.com", "owner", "services.read"))
	watch("the operator", operator)
	for _, f := range then {
		f()
	}
	for name, s := range ended {
		t.Log(name)
		s.untilEnd()
	}
	e.meter("svc-a", start, 77, 0)
	for name, s := range streams {
		if ended[name] == nil {
			t.Log(name)
			s.untilUsage(func(u usage) bool { return len(u.Slots) == 1 && u.Slots[0].InL2 == 77 })
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	e := company(t, func(cfg *api.Config, _ *api.Dependencies) { cfg.MaxStreams = 2 })
	first, _ := e.watch("svc-a", operator)
	first.untilUsage(func(usage) bool { return true })
	second, _ := e.watch("svc-b", operator)
	second.untilUsage(func(usage) bool { return true })
	if _, status := e.watch("svc-a", operator); status != 503 {
		t.Errorf("one too many: %d", status)
	}
	first.stop()
	for range first.read {
	}
	deadline := time.Now().Add(patience)
	for {
		third, status := e.watch("svc-a", operator)
		third.stop()
		if status == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a place that is free again is not given: %d", status)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Nobody takes all places: one who has fifty streams gets no more, others do.
func TestStreamsOfOneAreBounded(t *testing.T) {
	t.Parallel()
	e := company(t)
	one, other := e.customer("a@example.com"), e.customer("b@example.com")
	for n := range 50 {
		if _, status := e.watch("svc-a", one); status != 200 {
			t.Fatalf("stream %d: %d", n+1, status)
		}
	}
	if _, status := e.watch("svc-a", one); status != 503 {
		t.Errorf("one more: %d", status)
	}
	for _, who := range []struct {
		service string
		as
	}{{"svc-b", other}, {"svc-a", operator}} {
		if _, status := e.watch(who.service, who.as); status != 200 {
			t.Errorf("somebody else: %d", status)
		}
	}
}

// counting counts the questions for slots.
type counting struct {
	query.Postgres
	slots atomic.Int64
}

func (c *counting) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if strings.Contains(sql, "from usage_slot") {
		c.slots.Add(1)
	}
	return c.Postgres.Query(ctx, sql, args...)
}

func TestManyViewersCostOnePoll(t *testing.T) {
	t.Parallel()
	var db *counting
	e := company(t, func(_ *api.Config, deps *api.Dependencies) {
		db = &counting{Postgres: deps.Background}
		deps.Background = db
	})
	const viewers = 50
	streams := make([]*events, viewers)
	for i := range streams {
		streams[i], _ = e.watch("svc-a", operator)
		streams[i].untilUsage(func(usage) bool { return true })
	}
	before := db.slots.Load()
	e.meter("svc-a", start, 5, 0)
	for _, s := range streams {
		s.untilUsage(func(u usage) bool { return len(u.Slots) == 1 && u.Slots[0].InL2 == 5 })
	}
	if polls := db.slots.Load() - before; polls >= viewers {
		t.Errorf("%d polls for %d viewers", polls, viewers)
	}
}

func TestStopEndsTheStreams(t *testing.T) {
	t.Parallel()
	e := company(t)
	s, _ := e.watch("svc-a", operator)
	s.untilUsage(func(usage) bool { return true })
	if err := e.edge.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.untilEnd()
	if _, status := e.watch("svc-a", operator); status != 503 {
		t.Errorf("after the stop: %d", status)
	}
}
