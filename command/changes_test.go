package command_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// thing is an object with all that an audit row must and must not hold.
type thing struct {
	Name     string         `json:"name" audit:"redact"`
	Size     int            `json:"size"`
	Token    command.Secret `json:"token"`
	Inner    inner          `json:"inner"`
	Optional *int           `json:"optional,omitempty"`
}

type inner struct {
	Open   string `json:"open"`
	Closed string `json:"closed" audit:"redact"`
}

// change is a command whose answer says what it changed.
type change struct {
	ID       uuid.UUID `json:"id"`
	from, to any
}

type changed struct {
	OK bool `json:"ok"`
	command.Change
}

func (change) Name() string    { return "test.Change" }
func (change) Validate() error { return nil }

func (c change) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypeCustomer, ID: c.ID}}
}

func (c change) Handle(context.Context, pgx.Tx, command.Meta) (changed, []events.Event, error) {
	return changed{OK: true, Change: command.Change{Before: c.from, After: c.to}}, nil, nil
}

func TestChangesAreAudited(t *testing.T) {
	t.Parallel()
	f := setup(t)
	five := 5
	was := thing{Name: "Ada", Size: 1, Token: secret.New("hunter2"), Inner: inner{Open: "a", Closed: "4242"}}
	for name, c := range map[string]struct {
		from, to any
		want     string
	}{
		"nothing":         {was, was, "- -"},
		"not said":        {nil, nil, "- -"},
		"a field":         {was, thing{"Ada", 2, secret.New("hunter2"), was.Inner, nil}, `{"size": 1} {"size": 2}`},
		"redacted field":  {was, thing{"Bob", 1, secret.New("hunter2"), was.Inner, nil}, `{"name": "[redacted]"} {"name": "[redacted]"}`},
		"secret":          {was, thing{"Ada", 1, secret.New("hunter3"), was.Inner, nil}, `{"token": "[redacted]"} {"token": "[redacted]"}`},
		"nested":          {was, thing{"Ada", 1, secret.New("hunter2"), inner{"b", "5353"}, nil}, `{"inner": {"open": "a", "closed": "[redacted]"}} {"inner": {"open": "b", "closed": "[redacted]"}}`},
		"field that came": {was, thing{"Ada", 1, secret.New("hunter2"), was.Inner, &five}, `{} {"optional": 5}`},
	} {
		id := uuid.New()
		for range 2 { // the second is the stored answer, and writes no row
			got, err := command.Run(t.Context(), f.db, meta(name), change{ID: id, from: c.from, to: c.to})
			if err != nil || !got.OK {
				t.Fatalf("%s: %+v, %v", name, got, err)
			}
		}
		var audited, response string
		err := f.owner.QueryRow(t.Context(), "select coalesce(before::text, '-') || ' ' || coalesce(after::text, '-'), (select response::text from idempotency where key = $2) from audit where aggregate_id = $1", id, name).Scan(&audited, &response)
		if err != nil || audited != c.want || response != `{"ok": true}` {
			t.Errorf("%s: audited %s, answered %s (%v); want %s", name, audited, response, err, c.want)
		}
	}
	if _, err := command.Run(t.Context(), f.db, meta("types"), change{ID: uuid.New(), from: was, to: was.Inner}); err == nil || !strings.Contains(err.Error(), "became") {
		t.Errorf("two types compared: %v", err)
	}
}

func TestTheOriginIsAudited(t *testing.T) {
	t.Parallel()
	f := setup(t)
	m := meta("")
	m.IP, m.UserAgent = netip.MustParseAddr("2001:db8::7"), "Firefox"
	for _, m := range []command.Meta{m, meta("")} {
		if _, err := command.Run(t.Context(), f.db, m, change{ID: uuid.New()}); err != nil {
			t.Fatal(err)
		}
	}
	var got string
	err := f.owner.QueryRow(t.Context(), "select string_agg(coalesce(host(ip), '-') || ' ' || coalesce(user_agent, '-'), ', ' order by id) from audit").Scan(&got)
	if want := "2001:db8::7 Firefox, - -"; err != nil || got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}
