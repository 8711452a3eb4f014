package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// When their number a second is set, the datagrams of a 250th of a second go at once, at most maxBurst.
	burstsPerSecond = 250
	maxBurst        = 256

	// A wait shorter than that costs more than it orders.
	shortestWait = 200 * time.Microsecond
)

// PlayerConfig says where to and how fast.
type PlayerConfig struct {
	Target    netip.AddrPort
	Speed     float64          // virtual seconds a second; 1 when 0
	Unpaced   bool             // as fast as possible
	PerSecond int              // so many datagrams a second, whatever their virtual time says; 0 is no such wish
	Now       func() time.Time // the machine's clock
}

// Progress is how far a player is.
type Progress struct {
	Virtual   time.Duration // played
	Datagrams int64         // handed to the kernel
	Refused   int64         // answered by "nobody listens there", and so not in any meter
}

// Player sends what a simulation makes.
type Player struct {
	cfg        PlayerConfig
	simulation *Simulation
	lanes      []*lane
	began      time.Time
	last       time.Time // virtual time of the last datagram

	virtual         atomic.Int64
	count, refusals atomic.Int64

	stop    context.CancelFunc
	running sync.WaitGroup
	err     error
}

// NewPlayer prepares a player. It opens nothing yet.
func NewPlayer(cfg PlayerConfig, simulation *Simulation) *Player {
	if cfg.Speed == 0 {
		cfg.Speed = 1
	}
	return &Player{cfg: cfg, simulation: simulation}
}

// Run plays until the scenario is over or ctx is done; both are success. After it the simulation's Truth is final.
func (p *Player) Run(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	return p.play(ctx)
}

// Start opens the sockets and plays in the background until Stop, or the scenario's end.
func (p *Player) Start(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	playing, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.running.Go(func() { p.err = p.play(playing) })
	return nil
}

// Stop ends what Start began, waits for it, and says whether sending failed. Without Start it does nothing.
func (p *Player) Stop(context.Context) error {
	if p.stop == nil {
		return nil
	}
	p.stop()
	p.running.Wait()
	return p.err
}

// Progress may be called at any time.
func (p *Player) Progress() Progress {
	return Progress{time.Duration(p.virtual.Load()), p.count.Load(), p.refusals.Load()}
}

func (p *Player) open(ctx context.Context) error {
	for i, a := range p.simulation.Scenario().Agents {
		l, err := openLane(ctx, a.Source, p.cfg.Target, &p.count, &p.refusals)
		if err != nil {
			return errors.Join(fmt.Errorf("agent %d: %w", i, err), p.close())
		}
		p.lanes = append(p.lanes, l)
	}
	return nil
}

func (p *Player) close() error {
	var errs []error
	for _, l := range p.lanes {
		errs = append(errs, l.conn.Close())
	}
	p.lanes = nil
	return errors.Join(errs...)
}

func (p *Player) play(ctx context.Context) error {
	p.began, p.last = p.cfg.Now(), p.simulation.Scenario().Start
	var err error
	sent := 0
	for d := range p.simulation.Datagrams(ctx) {
		if err = p.pace(ctx, d.At, sent); err != nil {
			break
		}
		if err = p.lanes[d.Agent].add(d.Bytes); err != nil {
			break
		}
		sent++
	}
	if err == nil {
		err = p.flush()
	}
	return errors.Join(err, p.close())
}

// pace waits until the next datagram, the sent-th one, is due.
func (p *Player) pace(ctx context.Context, at time.Time, sent int) error {
	p.virtual.Store(int64(at.Sub(p.simulation.scenario.Start)))
	due, ok := p.due(at, sent)
	if !ok {
		return nil
	}
	wait := due - p.cfg.Now().Sub(p.began)
	if wait < shortestWait || ctx.Err() != nil {
		return nil
	}
	err := p.flush()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return err
}

// due says when after the beginning a datagram has to go; false when there is no need to look at the clock for it.
func (p *Player) due(at time.Time, sent int) (time.Duration, bool) {
	switch {
	case p.cfg.PerSecond > 0:
		burst := min(max(1, p.cfg.PerSecond/burstsPerSecond), maxBurst)
		return time.Duration(sent) * time.Second / time.Duration(p.cfg.PerSecond), sent%burst == 0
	case p.cfg.Unpaced || at.Equal(p.last):
		return 0, false
	}
	p.last = at
	return time.Duration(float64(at.Sub(p.simulation.scenario.Start)) / p.cfg.Speed), true
}

func (p *Player) flush() error {
	for _, l := range p.lanes {
		if err := l.flush(); err != nil {
			return err
		}
	}
	return nil
}
