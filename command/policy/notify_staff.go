package policy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/internal/gateway/discord"
	"github.com/ezscale/platform/schemas/events"
)

const adminSite = "admin"

// staffRules are: when a sign-in on the admin site is refused, or one of the staff signs in with a new browser, then post
// to the staff, where there is a channel.
func (c NotifyConfig) staffRules() []Rule {
	if !c.Staff {
		return nil
	}
	return []Rule{
		{On: events.SignInRefused{}.Type(), Name: "post_staff_refused", Do: c.staffRefused},
		{On: events.SessionOpened{}.Type(), Name: "post_staff_new_device", Do: c.staffDevice},
	}
}

func (c NotifyConfig) staffRefused(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	refused, ok := e.(events.SignInRefused)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	if refused.Site != adminSite {
		return nil
	}
	return c.queue(ctx, tx, notify.QueueStaffSignIn{PersonID: refused.PersonID, Factor: refused.Factor, At: h.Time})
}

func (c NotifyConfig) staffDevice(ctx context.Context, tx pgx.Tx, e events.Event, h events.Header) error {
	opened, ok := e.(events.SessionOpened)
	if !ok {
		return fmt.Errorf("%T is not the event of this rule", e)
	}
	if opened.Site != adminSite || !opened.NewDevice {
		return nil
	}
	return c.queue(ctx, tx, notify.QueueStaffSignIn{PersonID: opened.PersonID, SessionID: opened.SessionID, At: h.Time})
}

// postOfSignIn writes who failed to sign in, or came with a new browser.
func postOfSignIn(n notify.Delivery, m notify.Rendered) (discord.Message, error) {
	var s notify.StaffSignIn
	if err := json.Unmarshal(n.Content, &s); err != nil {
		return discord.Message{}, fmt.Errorf("read the content of notification %s: %w", n.NotificationID, err)
	}
	post := discord.Message{Content: m.Subject, Title: notify.Unlinked(s.PersonName), URL: m.Link, Colour: colourNear, At: s.At}
	if s.Refused {
		post.Colour = colourOver
	}
	for _, f := range []discord.Field{{Name: "Wrong", Value: s.Factor}, {Name: "From", Value: s.IP}, {Name: "Browser", Value: notify.Unlinked(s.UserAgent)}} {
		if f.Value != "" {
			post.Fields = append(post.Fields, f)
		}
	}
	return post, nil
}
