package flock_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/ezscale/platform/internal/embedded/flock"
)

func TestOneHolderAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	held, err := flock.Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flock.Try(path); !errors.Is(err, flock.ErrHeld) {
		t.Errorf("a second holder: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := flock.Wait(gone, path); !errors.Is(err, flock.ErrHeld) || !errors.Is(err, context.Canceled) {
		t.Errorf("waiting past the end: %v", err)
	}
	waited := make(chan error, 1)
	go func() {
		next, err := flock.Wait(t.Context(), path)
		if err == nil {
			err = next.Release()
		}
		waited <- err
	}()
	if err := errors.Join(held.Release(), <-waited); err != nil {
		t.Errorf("the next holder: %v", err)
	}
}
