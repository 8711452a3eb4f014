// Package crashtest runs the parts of a crash test as processes of their own: the test binary again, told by one
// environment variable what to be. A process strikes itself at a step that its part passes, so that the moment is exact.
package crashtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// stopTime lets a stop strike where it was sent, and not after what follows.
const stopTime = 100 * time.Millisecond

// Strike is the signal that a process sends itself.
type Strike struct {
	Step  string `json:"step"`  // where it strikes; empty: nowhere
	After int64  `json:"after"` // at which passing of the step, from 1
	Stop  bool   `json:"stop"`  // SIGSTOP instead of SIGKILL
}

// Func is a part's Step: it counts the passings and strikes at the one that was asked for.
func (s Strike) Func() func(step string) {
	var passed atomic.Int64
	return func(step string) {
		if step != s.Step || passed.Add(1) != s.After {
			return
		}
		if s.Stop {
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			time.Sleep(stopTime)
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

// Main is a TestMain: it plays the role that the variable holds as JSON, or else runs the tests. What a role ends with is
// told on the standard error.
func Main[R any](m *testing.M, variable string, play func(R) error) {
	text := os.Getenv(variable)
	if text == "" {
		os.Exit(m.Run())
	}
	var role R
	err := json.Unmarshal([]byte(text), &role)
	if err == nil {
		err = play(role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Spawn starts a role as a process, which ends with this one.
func Spawn[R any](t testing.TB, variable string, role R) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(role)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+string(text))
	cmd.Stderr = &bytes.Buffer{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// AwaitKill waits for a process to strike itself, which needs work to come by at the step.
func AwaitKill(t testing.TB, cmd *exec.Cmd, what string, bound time.Duration) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Errorf("%s ended with %v: %s", what, err, cmd.Stderr)
		}
	case <-time.After(bound):
		_ = cmd.Process.Kill()
		t.Errorf("%s was not killed at its step, and ended with %v", what, <-ended)
	}
}

// IsStopped tells whether a process has been stopped.
func IsStopped(cmd *exec.Cmd) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return ok && strings.HasPrefix(rest, "T")
}

// End kills a process and waits for its end.
func End(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
