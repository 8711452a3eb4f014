// Package process runs the parts of a role: each is made inert, all are started in order and stopped in reverse, and a
// part that does not start takes those before it down again.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// StopBound is how long one part may take to stop in order; what it has not finished by then is found again at
// the next start, as after a kill.
const StopBound = 15 * time.Second

// Part is anything with a life: New made it inert, Start brings it up, Stop takes it down and may be called
// without Start.
type Part interface {
	Start(context.Context) error
	Stop(context.Context) error
}

// Process starts its parts in order and stops them in reverse.
type Process struct {
	log   *slog.Logger
	parts []named
}

type named struct {
	name string
	Part
}

// New makes a process without parts.
func New(log *slog.Logger) *Process { return &Process{log: log} }

// Add adds a part, which starts after all that were added before.
func (p *Process) Add(name string, one Part) { p.parts = append(p.parts, named{name, one}) }

// start brings the parts up; when one fails, those before it are taken down again.
func (p *Process) start(ctx context.Context) error {
	for i, one := range p.parts {
		if err := one.Start(ctx); err != nil {
			err = fmt.Errorf("start %s: %w", one.name, err)
			return errors.Join(err, p.stopFrom(i))
		}
		p.log.Debug("started", "part", one.name)
	}
	return nil
}

// Stop stops everything.
func (p *Process) Stop() error { return p.stopFrom(len(p.parts) - 1) }

func (p *Process) stopFrom(last int) error {
	var errs []error
	for i := last; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(context.Background(), StopBound)
		if err := p.parts[i].Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.parts[i].name, err))
		}
		cancel()
		p.log.Debug("stopped", "part", p.parts[i].name)
	}
	return errors.Join(errs...)
}

// Run starts everything, calls ready, waits for the context's end and stops everything.
func (p *Process) Run(ctx context.Context, ready func() error) error {
	if err := p.start(ctx); err != nil {
		return err
	}
	err := ready()
	if err == nil {
		<-ctx.Done()
		p.log.Info("stopping")
	}
	return errors.Join(err, p.Stop())
}

// Closer lets anything with a Close be the last part to go.
type Closer func()

// Start does nothing.
func (Closer) Start(context.Context) error { return nil }

// Stop closes it.
func (c Closer) Stop(context.Context) error {
	c()
	return nil
}
