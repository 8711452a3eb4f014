// Package flock locks a file between processes. The kernel lets go of the lock when its holder dies, however
// it dies, so there is no stale lock to clear away; the process number in the file only tells who holds it.
package flock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld says that another process has the lock.
var ErrHeld = errors.New("locked by another process")

const (
	pollInterval   = 50 * time.Millisecond
	maxHolderBytes = 32
)

// Lock is a held lock. The file stays when it is released.
type Lock struct{ file *os.File }

// Try takes the lock, or returns ErrHeld with the number of the process that has it.
func Try(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = note(file)
	}
	if err == nil {
		return &Lock{file: file}, nil
	}
	defer file.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	holder, _ := io.ReadAll(io.LimitReader(file, maxHolderBytes))
	return nil, fmt.Errorf("%s: %w (%s)", path, ErrHeld, strings.TrimSpace(string(holder)))
}

// Wait takes the lock, waiting for it until the context ends.
func Wait(ctx context.Context, path string) (*Lock, error) {
	for {
		lock, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(pollInterval):
		}
	}
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.file.Close() }

func note(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("note the lock's holder: %w", err)
	}
	_, err := fmt.Fprintf(file, "process %d\n", os.Getpid())
	return err
}
