package main

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/config"
)

// A restart right after a kill finds its address busy for a moment, and still comes up.
func TestAddressOfAPredecessor(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	predecessor, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Config{HTTP: predecessor.Addr().String()}
	if err := tryAddresses(t.Context(), cfg); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("busy: %v", err)
	}
	time.AfterFunc(2*addressPause, func() { _ = predecessor.Close() })
	if err := freeAddresses(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}
