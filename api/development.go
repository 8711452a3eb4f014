package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/billing"
)

// Message is a mail or a Discord post that was captured instead of sent.
type Message struct {
	ID         string    `json:"id"`
	Channel    string    `json:"channel" enum:"mail,discord"`
	To         string    `json:"to"`
	From       string    `json:"from"`
	Subject    string    `json:"subject"`
	Text       string    `json:"text"`
	HTML       string    `json:"html,omitempty" doc:"As it came: never show it outside of a sandbox"`
	ReceivedAt time.Time `json:"received_at"`
}

// ClockState is the business clock, and what waits for it.
type ClockState struct {
	Now           time.Time `json:"now"`
	OffsetSeconds int64     `json:"offset_seconds" doc:"How far it runs ahead of the machine"`
	DueCycles     int       `json:"due_cycles" doc:"Cycles whose period is over and which are not closed yet"`
}

// AdvanceBody moves the clock forward.
type AdvanceBody struct {
	Advance string `json:"advance" maxLength:"40" doc:"Days, hours, minutes, seconds; at most 400 days" example:"31d"`
}

func (e *edge) developmentOperations(t route.Table) {
	const tag = "development"
	route.ServeRaw(t, route.Operation{Method: http.MethodPost, Path: "/dev/session", ID: "open-development-session", Tag: tag,
		Summary: "Sign in without any proof, on this machine", Access: guard.Open(guard.Reading)}, e.developmentSession)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/dev/accounts", ID: "list-development-accounts", Tag: tag,
		Summary: "Accounts that one can sign in to without any proof, on this machine", Access: guard.Open(guard.Reading)}, e.developmentAccounts)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/dev/clock", ID: "get-clock", Tag: tag, Summary: "The business clock", Access: guard.May(permission.Development)},
		func(ctx context.Context, _ *struct{}) (ClockState, error) { return e.clockState(ctx) })
	route.Serve(t, route.Operation{Method: http.MethodPost, Path: "/dev/clock", ID: "advance-clock", Tag: tag, Summary: "Move the business clock forward; what is then due closes behind the answer", Access: guard.May(permission.Development)}, e.advanceClock)
	route.Serve(t, route.Operation{Method: http.MethodGet, Path: "/dev/mailbox", ID: "list-mailbox", Tag: tag, Summary: "Captured mails and posts, newest first", Access: guard.May(permission.Development)},
		func(ctx context.Context, _ *struct{}) (query.List[Message], error) {
			list := query.List[Message]{Items: []Message{}}
			if e.Mailbox == nil {
				return list, nil
			}
			messages, err := e.Mailbox(ctx)
			list.Items = append(list.Items, messages...)
			return list, err
		})
}

func (e *edge) clockState(ctx context.Context) (ClockState, error) {
	now := e.Clock.Now()
	due, err := billing.Due(ctx, e.Postgres, now)
	return ClockState{Now: now, OffsetSeconds: int64(e.Clock.Offset() / time.Second), DueCycles: due}, err
}

// advances remembers which keys have advanced the clock: it must not leap twice because an answer was lost.
type advances struct {
	mu   sync.Mutex
	done map[string]string // key → span
}

// maxAdvances is how many keys are remembered before all are forgotten.
const maxAdvances = 1000

// once calls advance unless the key has done so; with another span it is a conflict.
func (a *advances) once(key, span string, advance func() error) error {
	if key == "" {
		return advance()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if was, ok := a.done[key]; ok && was != span {
		return fault.New(fault.Conflict, "idempotency_key_reused", "the key has advanced the clock by %s", was)
	} else if ok {
		return nil
	}
	if err := advance(); err != nil {
		return err
	}
	if a.done == nil || len(a.done) >= maxAdvances {
		a.done = map[string]string{}
	}
	a.done[key] = span
	return nil
}

// advanceClock moves the clock and has the due cycles closed behind the answer: there may be thousands.
func (e *edge) advanceClock(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Names the operation, so that it can be repeated safely; remembered by this process only"`
	Body AdvanceBody
}) (ClockState, error) {
	d, err := parseSpan(in.Body.Advance)
	if err != nil {
		return ClockState{}, err
	}
	err = e.advances.once(in.Key, in.Body.Advance, func() error {
		_, err := e.Clock.Advance(ctx, d)
		return err
	})
	if err != nil {
		return ClockState{}, err
	}
	e.sweeping.ask()
	return e.clockState(ctx)
}

// parseSpan reads a duration with days: "31d", "1d12h", "90m".
func parseSpan(text string) (time.Duration, error) {
	bad := func() (time.Duration, error) {
		var fields fault.Fields
		fields.Add("advance", "%q is not a time such as 31d, 36h or 1d12h", text)
		return 0, fields.Err()
	}
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "", text
	}
	var total time.Duration
	for _, digit := range days {
		if digit < '0' || digit > '9' || total > maxSpanDays {
			return bad()
		}
		total = total*10 + time.Duration(digit-'0')
	}
	if found && days == "" || total > maxSpanDays {
		return bad()
	}
	total *= 24 * time.Hour
	if rest == "" && found {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > maxSpanDays*24*time.Hour {
		return bad()
	}
	return total + d, nil
}

// maxSpanDays bounds what parseSpan reads; the clock has its own bound below it.
const maxSpanDays = 10_000
