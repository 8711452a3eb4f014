package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stopBound is how long one part may take to stop in order; what it has not finished by then is found again at
// the next start, as after a kill.
const stopBound = 15 * time.Second

// part is anything with a life: New made it inert, Start brings it up, Stop takes it down and may be called
// without Start.
type part interface {
	Start(context.Context) error
	Stop(context.Context) error
}

// process starts its parts in order and stops them in reverse.
type process struct {
	log   *slog.Logger
	parts []namedPart
}

type namedPart struct {
	name string
	part
}

func (p *process) add(name string, one part) { p.parts = append(p.parts, namedPart{name, one}) }

// start brings the parts up; when one fails, those before it are taken down again.
func (p *process) start(ctx context.Context) error {
	for i, one := range p.parts {
		if err := one.Start(ctx); err != nil {
			err = fmt.Errorf("start %s: %w", one.name, err)
			return errors.Join(err, p.stopFrom(i))
		}
		p.log.Debug("started", "part", one.name)
	}
	return nil
}

func (p *process) stop() error { return p.stopFrom(len(p.parts) - 1) }

func (p *process) stopFrom(last int) error {
	var errs []error
	for i := last; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(context.Background(), stopBound)
		if err := p.parts[i].Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.parts[i].name, err))
		}
		cancel()
		p.log.Debug("stopped", "part", p.parts[i].name)
	}
	return errors.Join(errs...)
}

// run starts everything, calls ready, waits for the context's end and stops everything.
func (p *process) run(ctx context.Context, ready func() error) error {
	if err := p.start(ctx); err != nil {
		return err
	}
	err := ready()
	if err == nil {
		<-ctx.Done()
		p.log.Info("stopping")
	}
	return errors.Join(err, p.stop())
}

// closer lets anything with a Close be the last part to go.
type closer func()

func (closer) Start(context.Context) error { return nil }

func (c closer) Stop(context.Context) error {
	c()
	return nil
}
