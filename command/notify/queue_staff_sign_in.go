package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// TemplateStaffSignIn is for the staff alone.
const TemplateStaffSignIn = "staff_sign_in"

// refusedEvery is the window in which refusals of one person's sign-in are one notice.
const refusedEvery = 10 * time.Minute

// StaffSignIn is the content of TemplateStaffSignIn: somebody failed to sign in as one of the staff, or one of them came
// with a new browser.
type StaffSignIn struct {
	PersonName string    `json:"person_name"`
	Refused    bool      `json:"refused"`
	Factor     string    `json:"factor,omitempty"` // what was wrong, of a refusal
	IP         string    `json:"ip,omitempty"`     // of a new browser
	UserAgent  string    `json:"user_agent,omitempty"`
	At         time.Time `json:"at"`
}

// QueueStaffSignIn tells the staff, by Discord. Refusals of a person within ten minutes are one notice, about the first.
type QueueStaffSignIn struct {
	PersonID  uuid.UUID `json:"person_id"`
	SessionID uuid.UUID `json:"session_id"` // of a new browser; nil UUID: a refusal
	Factor    string    `json:"factor,omitempty"`
	At        time.Time `json:"at"`
}

// Name is the command's name.
func (QueueStaffSignIn) Name() string { return "notify.QueueStaffSignIn" }

// Aggregates is the person.
func (c QueueStaffSignIn) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c QueueStaffSignIn) Validate() error {
	var fields fault.Fields
	fields.Check(c.PersonID != uuid.Nil, "person_id", "is missing")
	check.At(&fields, c.At)
	return fields.Err()
}

// subject is an id for what the notice is about: the session, or the person and the window (RFC 9562, version 5).
func (c QueueStaffSignIn) subject() uuid.UUID {
	if c.SessionID != uuid.Nil {
		return uuid.NewSHA1(c.SessionID, []byte("new browser"))
	}
	return uuid.NewSHA1(c.PersonID, fmt.Appendf(nil, "refused %s", c.At.UTC().Truncate(refusedEvery).Format(time.RFC3339)))
}

const selectStaffSignIn = `
select p.name, coalesce(host(s.ip), ''), coalesce(s.user_agent, '')
from person p left join session s on s.id = $2 and s.person_id = p.id
where p.id = $1 and p.site = 'admin' and ($2 = '00000000-0000-0000-0000-000000000000' or s.factors <> '{development}')`

// Handle queues the notice. Of somebody who is none of the staff, and of the development login, there is none.
func (c QueueStaffSignIn) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Queued, []events.Event, error) {
	content := StaffSignIn{Refused: c.SessionID == uuid.Nil, Factor: c.Factor, At: c.At.UTC()}
	err := tx.QueryRow(ctx, selectStaffSignIn, c.PersonID, c.SessionID).Scan(&content.PersonName, &content.IP, &content.UserAgent)
	if errors.Is(err, pgx.ErrNoRows) {
		return Queued{}, nil, nil
	}
	if err != nil {
		return Queued{}, nil, fmt.Errorf("find person %s: %w", c.PersonID, err)
	}
	queued, err := queue(ctx, tx, meta, draft{personID: c.PersonID, channel: ChannelDiscord, recipient: RecipientStaff, template: TemplateStaffSignIn, eventID: c.subject(), content: content})
	return queued, nil, err
}
