// Package child runs the processes that a benchmark measures, each a group of its own, and reads from /proc what the
// group has cost: processor time of user and kernel, and resident memory. It is for Linux.
package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	ticksASecond = 100 // USER_HZ of every Linux that Go runs on
	stopBound    = 20 * time.Second
	wordsBound   = time.Second // after its end, for what it leaves behind to close the error output
	lastWords    = 4 << 10     // bytes of a child's error output that are kept
)

// Process is a child and what it starts.
type Process struct {
	name    string
	command *exec.Cmd
	words   *tail
	ended   chan struct{}
	err     error
	In      io.WriteCloser // its standard input
	Out     io.Reader      // its standard output
}

// Start runs a program with more environment.
func Start(name string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{name: name, words: &tail{}, ended: make(chan struct{})}
	p.command = exec.Command(program, args...)
	p.command.Env = append(os.Environ(), env...)
	p.command.Stderr = p.words
	p.command.WaitDelay = wordsBound
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	if p.In, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.Out, p.command.Stdout = out, in
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), in.Close(), out.Close())
	}
	_ = in.Close() // the child has its own
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Name is what it was called at the start.
func (p *Process) Name() string { return p.name }

// Running is nil while the child runs, and else tells its last words.
func (p *Process) Running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended (%w): %s", p.name, orEnded(p.err), p.words.String())
	default:
		return nil
	}
}

var errEnded = errors.New("by itself")

func orEnded(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}

// Wait waits for the child's own end.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", p.name, ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, p.err, p.words.String())
	}
	return nil
}

// Stop asks the child to end, and kills its group when it does not.
func (p *Process) Stop() error {
	_ = p.In.Close()
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.ended:
	case <-time.After(stopBound):
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("%s did not stop within %s and was killed", p.name, stopBound)
	}
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // what it left behind
	return nil
}

// Kill ends the child and its group at once.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // it may have ended already
	<-p.ended
}

// Usage is what a process group has used up to now.
type Usage struct {
	CPU     time.Duration
	Private int64 // bytes that are resident now and its own
	Shared  int64 // the same of files, its own program above all, which others may share
}

// Resident is what is in memory now.
func (u Usage) Resident() int64 { return u.Private + u.Shared }

// Usage reads what the child's group has used. Files are those of the process with the most of them.
func (p *Process) Usage() (Usage, error) {
	group, err := members(p.command.Process.Pid)
	if err != nil {
		return Usage{}, err
	}
	var sum Usage
	for _, s := range group {
		sum.CPU += s.CPU
		sum.Private += s.Private
		sum.Shared = max(sum.Shared, s.Shared)
	}
	return sum, nil
}

// members reads the statistics of every process of a group.
func members(group int) ([]Usage, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("read the processes: %w", err)
	}
	var all []Usage
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		of, usage, ok := parseStat(string(stat))
		if !ok || of != group {
			continue
		}
		if statm, err := os.ReadFile("/proc/" + e.Name() + "/statm"); err == nil {
			usage.Private, usage.Shared = parseStatm(string(statm))
		}
		all = append(all, usage)
	}
	return all, nil
}

// parseStatm reads proc(5)'s statm: pages in all, resident, and resident of files.
func parseStatm(text string) (private, shared int64) {
	var all, resident int64
	if _, err := fmt.Sscan(text, &all, &resident, &shared); err != nil {
		return 0, 0
	}
	page := int64(os.Getpagesize())
	return (resident - shared) * page, shared * page
}

// parseStat reads proc(5)'s stat: the fields behind the name in brackets.
func parseStat(text string) (group int, u Usage, ok bool) {
	_, rest, found := strings.Cut(text, ") ")
	for found && strings.Contains(rest, ") ") { // a name may hold brackets
		_, rest, _ = strings.Cut(rest, ") ")
	}
	fields := strings.Fields(rest)
	const groupAt, userAt, kernelAt = 2, 11, 12
	if len(fields) <= kernelAt {
		return 0, u, false
	}
	var numbers [3]int64
	for i, at := range []int{groupAt, userAt, kernelAt} {
		n, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return 0, u, false
		}
		numbers[i] = n
	}
	u.CPU = time.Duration(numbers[1]+numbers[2]) * time.Second / ticksASecond
	return int(numbers[0]), u, true
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - lastWords; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b))
}
