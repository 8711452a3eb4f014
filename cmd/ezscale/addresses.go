package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/ezscale/platform/internal/config"
)

// An address may still be held by a predecessor that was killed a moment ago: the kernel closes its sockets late.
const (
	addressBound = 3 * time.Second
	addressPause = 100 * time.Millisecond
)

// freeAddresses waits a little for busy addresses, so that servers are not started for nothing.
func freeAddresses(ctx context.Context, cfg config.Config) error {
	bound, cancel := context.WithTimeout(ctx, addressBound)
	defer cancel()
	for {
		err := tryAddresses(ctx, cfg)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		select {
		case <-bound.Done():
			return err
		case <-time.After(addressPause):
		}
	}
}
