// Package desk lets the workers of a meter share what a flush is laid out on. With many services that takes more memory
// than all else of a worker, and Postgres is no faster for being written to from more sides than it has processors. So
// there are few desks, given out in the order in which they were asked for; who waits for one may go on with other work.
package desk

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ezscale/platform/metering/meter/books"
)

// Desk is one flush's.
type Desk struct {
	Rows  books.Rows
	Pages books.Pages
}

// Desks are those of a process.
type Desks struct {
	mu   sync.Mutex
	free []*Desk
	line []chan *Desk // each with room for one
}

// New makes n desks, whose pages have so many rows.
func New(n, pageRows int) *Desks {
	d := &Desks{}
	for range n {
		d.free = append(d.free, &Desk{Pages: books.Pages{Rows: pageRows}})
	}
	return d
}

func (d *Desks) ask() chan *Desk {
	turn := make(chan *Desk, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line = append(d.line, turn)
	d.serve()
	return turn
}

func (d *Desks) put(one *Desk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, one)
	d.serve()
}

// leave takes a turn out of the line; whom a desk has come to meanwhile gives that back.
func (d *Desks) leave(turn chan *Desk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := slices.Index(d.line, turn); at >= 0 {
		d.line = slices.Delete(d.line, at, at+1)
		return
	}
	d.free = append(d.free, <-turn)
	d.serve()
}

// serve gives free desks to those who have waited longest.
func (d *Desks) serve() {
	for len(d.free) > 0 && len(d.line) > 0 {
		last := len(d.free) - 1
		d.line[0] <- d.free[last]
		d.free, d.line = d.free[:last], slices.Delete(d.line, 0, 1)
	}
}

// Seat is a worker's, who has a desk, or waits for one, or neither. It is for one goroutine.
type Seat struct {
	*Desk // nil: none
	desks *Desks
	turn  chan *Desk
}

// Seat makes one.
func (d *Desks) Seat() Seat { return Seat{desks: d} }

// Ask gets in line, unless that is done.
func (s *Seat) Ask() {
	if s.Desk == nil && s.turn == nil {
		s.turn = s.desks.ask()
	}
}

// Has tells whether a desk has come. It is kept until Leave.
func (s *Seat) Has() bool {
	if s.Desk == nil {
		select {
		case one := <-s.turn: // a nil channel gives nothing
			s.sit(one)
		default:
		}
	}
	return s.Desk != nil
}

// Take waits for a desk, and calls meanwhile from time to time, which may end it.
func (s *Seat) Take(ctx context.Context, every time.Duration, meanwhile func() error) error {
	for s.Ask(); !s.Has(); {
		came, err := s.pause(ctx, every)
		if err == nil && !came {
			err = meanwhile()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Pause pauses so long at most: until a desk comes that was asked for, or ctx ends.
func (s *Seat) Pause(ctx context.Context, d time.Duration) { _, _ = s.pause(ctx, d) }

func (s *Seat) pause(ctx context.Context, d time.Duration) (came bool, err error) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case one := <-s.turn:
		s.sit(one)
		return true, nil
	case <-wait.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (s *Seat) sit(one *Desk) { s.Desk, s.turn = one, nil }

// Leave gives back the desk, or the place in the line.
func (s *Seat) Leave() {
	if s.Desk != nil {
		s.desks.put(s.Desk)
	}
	if s.turn != nil {
		s.desks.leave(s.turn)
	}
	s.Desk, s.turn = nil, nil
}
