// Package supervise keeps one child process running: it starts it, waits until it serves, starts it again
// when it dies, and stops it in order.
//
// A child never outlives its parent. The kernel signals it when the thread that forked it ends, which is why
// each child is forked and awaited by one goroutine on a thread of its own; a child may also watch its
// standard input, which ends with the parent. Each child has its own process group, so that an interrupt
// typed at the terminal reaches the parent alone, which then stops the children in the right order.
//
// Between deaths the pause doubles up to a cap and falls back to the start once a child has served. Until
// the child has served for the first time, a few deaths in a row are the end: then something is wrong that a
// person must mend, and the child's last words are in the error.
//
// Death signals are Linux's own, and so is this package.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	minPause        = 100 * time.Millisecond
	maxPause        = 10 * time.Second
	maxEarlyDeaths  = 5 // before the child has ever served
	probePause      = 20 * time.Millisecond
	healthPause     = 2 * time.Second // between probes of a child that serves
	probeTimeout    = 5 * time.Second
	pipeGrace       = 2 * time.Second // a grandchild may hold the child's output open
	defaultStopTime = 20 * time.Second
)

// Spec says what to run.
type Spec struct {
	Name string
	// Command makes the process to start, anew for each start. Its output, process group and death signal
	// are set here.
	Command func() (*exec.Cmd, error)
	// Input is written to the child's standard input, which then stays open as long as the parent lives.
	Input []byte
	// Probe returns nil when the child serves.
	Probe func(context.Context) error
	// StopSignal asks for an orderly end; DeathSignal is what the child gets when the parent is gone.
	StopSignal, DeathSignal syscall.Signal
	StopTimeout             time.Duration // before SIGKILL; default 20 s
	Log                     *slog.Logger
}

// State of a child.
type State string

// The states, in the order in which they come.
const (
	Stopped  State = "stopped"
	Starting State = "starting"
	Serving  State = "serving"
	Silent   State = "silent" // runs, but its probe fails
	Waiting  State = "waiting to restart"
)

// Health of a child at a moment.
type Health struct {
	Name     string
	State    State
	PID      int // 0 when there is none
	Restarts int
	LastExit string // why it died last; empty when it never did
}

// Process is one supervised child.
type Process struct {
	spec Spec
	tail *tail

	mu     sync.Mutex
	health Health
	served bool // ever

	stop    chan struct{} // closed by Stop
	ready   chan struct{} // closed when it serves for the first time
	done    chan error    // the end of the loop
	started bool
}

// New prepares a child; nothing runs yet.
func New(spec Spec) *Process {
	if spec.StopTimeout <= 0 {
		spec.StopTimeout = defaultStopTime
	}
	return &Process{
		spec: spec, tail: newTail(spec.Log.With("part", spec.Name)),
		health: Health{Name: spec.Name, State: Stopped},
		stop:   make(chan struct{}), ready: make(chan struct{}), done: make(chan error, 1),
	}
}

// Start runs the child and returns when it serves. On an error nothing is left running. A Process is started
// once.
func (p *Process) Start(ctx context.Context) error {
	p.mu.Lock()
	again := p.started
	p.started = true
	p.mu.Unlock()
	if again {
		return fmt.Errorf("%s: started twice", p.spec.Name)
	}
	go p.run()
	select {
	case <-p.ready:
		return nil
	case err := <-p.done:
		p.done <- err
		return err
	case <-ctx.Done():
		stopping := context.WithoutCancel(ctx)
		return errors.Join(fmt.Errorf("%s did not serve in time: %w; its last words: %s",
			p.spec.Name, ctx.Err(), p.tail.last()), p.Stop(stopping))
	}
}

// Stop asks the child to end, kills it when the stop timeout or the context is over, and waits for its end.
// It may be called twice, or without a Start.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	started := p.started
	p.mu.Unlock()
	if !started {
		return nil
	}
	p.signal(p.spec.StopSignal)
	patience := time.NewTimer(p.spec.StopTimeout)
	defer patience.Stop()
	select {
	case err := <-p.done:
		p.done <- err
		return nil
	case <-patience.C:
	case <-ctx.Done():
	}
	p.spec.Log.Warn("a child does not end: it is killed", "part", p.spec.Name)
	p.signal(syscall.SIGKILL)
	err := <-p.done
	p.done <- err
	return nil
}

// Health tells how the child is.
func (p *Process) Health() Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.health
}

// signal reaches the child if it runs; it has not been awaited while health.PID is set.
func (p *Process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.health.PID != 0 {
		_ = syscall.Kill(p.health.PID, s)
	}
}

func (p *Process) set(change func(*Health)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.health)
}
