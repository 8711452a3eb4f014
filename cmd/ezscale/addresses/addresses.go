// Package addresses looks whether what `ezscale up` is to listen on is free, before it starts servers for nothing.
package addresses

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/ezscale/platform/internal/config"
)

// An address may still be held by a predecessor that was killed a moment ago: the kernel closes its sockets late.
const (
	bound = 3 * time.Second
	pause = 100 * time.Millisecond
)

// Await waits a little for busy addresses, and tells which flag's is still busy then.
func Await(ctx context.Context, cfg config.Config) error {
	end, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for {
		err := try(ctx, cfg)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		select {
		case <-end.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// try opens every address to see whether it can be.
func try(ctx context.Context, cfg config.Config) error {
	var listen net.ListenConfig
	http, err := listen.Listen(ctx, "tcp", cfg.HTTP)
	if err != nil {
		return fmt.Errorf("--http %s cannot be served; choose another: %w", cfg.HTTP, err)
	}
	_ = http.Close() // it was opened for no more
	if err := tryDatagrams(ctx, "--sflow", cfg.Collector.Listen); err != nil {
		return err
	}
	return tryDatagrams(ctx, "--netflow", cfg.Collector.ListenNetFlow)
}

func tryDatagrams(ctx context.Context, flag string, addresses []string) error {
	var listen net.ListenConfig
	for _, address := range addresses {
		udp, err := listen.ListenPacket(ctx, "udp", address)
		if err != nil {
			return fmt.Errorf("%s %s cannot be listened on; choose another: %w", flag, address, err)
		}
		_ = udp.Close()
	}
	return nil
}

// Listening names a collector's addresses, of which the first are for sFlow, for people.
func Listening(all []netip.AddrPort, sflow int) string {
	var parts []string
	if sflow > 0 {
		parts = append(parts, "sFlow on "+join(all[:sflow]))
	}
	if len(all) > sflow {
		parts = append(parts, "NetFlow and IPFIX on "+join(all[sflow:]))
	}
	return strings.Join(parts, "; ")
}

func join(addresses []netip.AddrPort) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = "udp " + a.String()
	}
	return strings.Join(texts, ", ")
}
