package meter

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/metering/meter/books"
)

// desk is what a flush is laid out on. With many services its rows take more memory than all else of a worker, and
// Postgres is no faster for being written to from more sides than it has processors: the workers of a process share few.
type desk struct {
	rows  books.Rows
	pages books.Pages
}

// desks are given out in the order in which they were asked for.
type desks struct {
	mu   sync.Mutex
	free []*desk
	line []turn
}

// turn is a place in the line for a desk, which comes through it.
type turn chan *desk

func newDesks(n, pageRows int) *desks {
	d := &desks{}
	for range n {
		d.free = append(d.free, &desk{pages: books.Pages{Rows: pageRows}})
	}
	return d
}

// ask takes a place in the line.
func (d *desks) ask() turn {
	t := make(turn, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line = append(d.line, t)
	d.serve()
	return t
}

// put gives a desk back.
func (d *desks) put(one *desk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, one)
	d.serve()
}

// leave gives up a turn, and the desk that may have come meanwhile.
func (d *desks) leave(t turn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.line {
		if d.line[i] == t {
			d.line = append(d.line[:i], d.line[i+1:]...)
			return
		}
	}
	select {
	case one := <-t:
		d.free = append(d.free, one)
		d.serve()
	default:
	}
}

// serve never blocks: a turn has room for its desk.
func (d *desks) serve() {
	for len(d.free) > 0 && len(d.line) > 0 {
		last := len(d.free) - 1
		d.line[0] <- d.free[last]
		d.free, d.line = d.free[:last], d.line[1:]
	}
}

// askForDesk takes a place in the line, unless the session has one.
func (s *session) askForDesk() {
	if s.turn == nil {
		s.turn = s.desks.ask()
	}
}

// hasDesk tells whether a desk has come, and keeps it for the flush.
func (s *session) hasDesk() bool {
	if s.desk != nil {
		return true
	}
	select {
	case s.desk = <-s.turn:
		s.turn = nil
	default:
	}
	return s.desk != nil
}

// takeDesk waits for a desk. Others may take long, so it holds the lease meanwhile.
func (s *session) takeDesk(ctx context.Context) error {
	for s.desk == nil {
		s.askForDesk()
		select {
		case s.desk = <-s.turn:
			s.turn = nil
		case <-time.After(s.cfg.LeaseTTL / 3):
			s.renewedAt = s.cfg.Machine()
			if err := s.lease.Renew(ctx); errors.Is(err, consumer.ErrFenced) {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// leaveDesk gives back the desk, or the place in the line.
func (s *session) leaveDesk() {
	if s.desk != nil {
		s.desks.put(s.desk)
	}
	if s.turn != nil {
		s.desks.leave(s.turn)
	}
	s.desk, s.turn = nil, nil
}

// pauseForDesk pauses, or until a desk comes.
func (s *session) pauseForDesk(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case s.desk = <-s.turn: // of a nil turn none comes
		s.turn = nil
	case <-wait.C:
	case <-ctx.Done():
	}
}
