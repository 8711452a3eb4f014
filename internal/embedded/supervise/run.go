package supervise

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// run is the child's life, on one thread: the kernel ties the child to the thread that forked it.
func (p *Process) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.done <- p.lives()
}

func (p *Process) lives() error {
	defer p.set(func(h *Health) { h.State, h.PID = Stopped, 0 })
	pause := minPause
	for early := 1; ; early++ {
		served, err := p.life()
		if p.stopping() {
			return nil
		}
		p.set(func(h *Health) { h.State, h.PID, h.LastExit = Waiting, 0, err.Error(); h.Restarts++ })
		if !p.everServed() && early >= maxEarlyDeaths {
			return fmt.Errorf("%s died %d times before it served: %w; its last words: %s", p.spec.Name, early, err, p.tail.last())
		}
		if served {
			pause = minPause
		}
		p.spec.Log.Warn("a child died and is started again", "part", p.spec.Name, "error", err, "pause", pause)
		select {
		case <-p.stop:
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// life is one child from fork to death. served tells whether its probe ever succeeded.
func (p *Process) life() (served bool, err error) {
	cmd, err := p.fork()
	if err != nil {
		return false, err
	}
	watching, endWatch := context.WithCancel(context.Background())
	answered := make(chan bool, 1)
	go func() { answered <- p.watch(watching) }()
	if p.stopping() { // Stop came before there was a process to signal
		p.signal(p.spec.StopSignal)
	}
	p.await(cmd)
	endWatch()
	return <-answered, fmt.Errorf("ended: %s", cmd.ProcessState)
}

func (p *Process) fork() (*exec.Cmd, error) {
	cmd, err := p.spec.Command()
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.spec.Name, err)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = p.spec.DeathSignal
	cmd.Stdout, cmd.Stderr = p.tail, p.tail
	cmd.WaitDelay = pipeGrace
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the input of %s: %w", p.spec.Name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.spec.Name, err)
	}
	p.set(func(h *Health) { h.State, h.PID = Starting, cmd.Process.Pid })
	// A short input fits the pipe; a child that dies at once makes the write fail, and its death is told.
	_, _ = input.Write(p.spec.Input)
	return cmd, nil
}

// await forgets the number of the dead child before the kernel may give it to another process.
func (p *Process) await(cmd *exec.Cmd) {
	waitForExit(cmd.Process.Pid)
	p.set(func(h *Health) { h.PID = 0 })
	_ = cmd.Wait() // the state tells
}

// watch probes the child until the context ends and tells whether it ever answered.
func (p *Process) watch(ctx context.Context) (served bool) {
	pause := probePause
	for {
		err := p.probe(ctx)
		if ctx.Err() != nil {
			return served
		}
		if err == nil {
			served, pause = true, healthPause
			p.serving()
		} else if served {
			p.set(func(h *Health) { h.State = Silent })
		}
		select {
		case <-ctx.Done():
			return served
		case <-time.After(pause):
		}
	}
}

func (p *Process) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return p.spec.Probe(ctx)
}

func (p *Process) serving() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.health.State == Serving || p.health.PID == 0 {
		return
	}
	p.health.State = Serving
	if !p.served {
		p.served = true
		close(p.ready)
	}
}

func (p *Process) everServed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

func (p *Process) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}
