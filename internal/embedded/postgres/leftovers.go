package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	quitGrace      = 2 * time.Second // after SIGQUIT
	killGrace      = 10 * time.Second
	leftoverPause  = 20 * time.Millisecond
	postmasterFile = "postmaster.pid"
)

// endLeftovers ends the Postgres processes that a killed parent left in the data directory, and removes the
// lock file of a dead postmaster, whose number may be another process's by now. The caller holds the lock
// on the platform's data, so no process that it finds belongs to a living parent.
func endLeftovers(data string, log *slog.Logger) error {
	began := time.Now()
	for {
		left, err := workingIn(data)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			break
		}
		waited := time.Since(began)
		if waited > killGrace {
			return fmt.Errorf("postgres processes of an earlier run do not end: %v", left)
		}
		log.Debug("ending Postgres processes of an earlier run", "pids", left)
		how := syscall.SIGQUIT
		if waited > quitGrace {
			how = syscall.SIGKILL
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, how)
		}
		time.Sleep(leftoverPause)
	}
	err := os.Remove(filepath.Join(data, postmasterFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the lock file of a dead postmaster: %w", err)
	}
	return nil
}

// workingIn lists the processes whose working directory is data: a postmaster and its backends never leave it.
func workingIn(data string) ([]int, error) {
	want, err := filepath.EvalSymlinks(data)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if want, err = filepath.Abs(want); err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		at, err := os.Readlink("/proc/" + e.Name() + "/cwd")
		if err == nil && at == want && isPostgres(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func isPostgres(pid int) bool {
	program, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && filepath.Base(program) == "postgres"
}
