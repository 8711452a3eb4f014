package policy

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/command/retention"
	"github.com/ezscale/platform/internal/jobs"
)

// How long what is over of people is kept. Codes, tokens and consents of OAuth have their own time: see oauth.Sweep.
const (
	day                = 24 * time.Hour
	keepLinks          = 90 * day
	keepUnverified     = 7 * day // who registered, and never followed the link
	keepSessions       = 90 * day
	keepImpersonations = 400 * day // more than a year: whoever asks who looked at their account may be late
	keepTokens         = 400 * day
	keepContacts       = 90 * day // what an account's contact was: its reader was told within seconds
	keepMails          = 400 * day
)

// ForgetPeople is the periodic job that deletes what is long over of people.
type ForgetPeople struct{}

// Kind is the job's name.
func (ForgetPeople) Kind() string { return "people.forget" }

// Forgetting does the job.
type Forgetting struct {
	pool    retention.Execer
	now     func() time.Time // the business clock: by it people register and mails are queued
	machine func() time.Time // sessions, links and tokens live by it
	deleted *prometheus.CounterVec
}

// NewForgetting makes it. The pool has the role of commands.
func NewForgetting(pool retention.Execer, now, machine func() time.Time, reg prometheus.Registerer) *Forgetting {
	f := &Forgetting{pool: pool, now: now, machine: machine, deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ezscale_retention_deleted_total", Help: "Rows of people that were deleted because they are long over, by what they were."}, []string{"what"})}
	reg.MustRegister(f.deleted)
	return f
}

// Register makes a job runner do it hourly.
func (f *Forgetting) Register(r *jobs.Runner) {
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[ForgetPeople]) error { return f.Run(ctx) })
	r.Every(housekeepingEvery, ForgetPeople{})
}

// Run does the work of the job once.
func (f *Forgetting) Run(ctx context.Context) error {
	now, machine := f.now(), f.machine()
	for _, s := range []struct {
		what   string
		forget func() (int64, error)
	}{
		{"links", func() (int64, error) { return retention.Links(ctx, f.pool, machine.Add(-keepLinks)) }},
		{"link_versions", func() (int64, error) { return retention.LinkVersions(ctx, f.pool) }},
		{"unverified", func() (int64, error) { return retention.Unverified(ctx, f.pool, now.Add(-keepUnverified)) }},
		{"sessions", func() (int64, error) {
			return retention.Sessions(ctx, f.pool, machine.Add(-keepSessions), machine.Add(-keepImpersonations))
		}},
		{"api_tokens", func() (int64, error) { return retention.Tokens(ctx, f.pool, machine.Add(-keepTokens)) }},
		{"oauth", func() (int64, error) { return oauth.Sweep(ctx, f.pool, machine) }},
		{"contacts", func() (int64, error) { return retention.Contacts(ctx, f.pool, now.Add(-keepContacts)) }},
		{"mails", func() (int64, error) { return retention.Mails(ctx, f.pool, now.Add(-keepMails)) }},
	} {
		deleted := f.deleted.WithLabelValues(s.what)
		err := rounds(func() (int64, error) {
			n, err := s.forget()
			deleted.Add(float64(n))
			return n, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
