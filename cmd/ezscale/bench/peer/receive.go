package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/ezscale/platform/metering/collector/udp"
)

// How the collector receives.
const (
	receiveSlots  = 256
	receiveBuffer = 32 << 20
	receivePause  = 5 * time.Millisecond
)

// RunReceive takes datagrams from a socket as the collector does, and throws them away. It tells out when it listens,
// and ends when in does.
func RunReceive(ctx context.Context, listen netip.AddrPort, in io.Reader, out io.Writer) (err error) {
	group, _, err := udp.OpenGroup(listen.String(), 1, receiveBuffer)
	if err != nil {
		return err
	}
	slots, err := udp.NewSlots(receiveSlots)
	if err != nil {
		return errors.Join(err, udp.CloseAll(group))
	}
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { err = receive(ctx, group[0], slots) })
	if _, err := fmt.Fprintln(out, "ready"); err == nil {
		_, _ = io.Copy(io.Discard, in) // an input that breaks ends it as well
	}
	cancel()
	group[0].Interrupt()
	reading.Wait()
	return errors.Join(err, slots.Close(), udp.CloseAll(group))
}

func receive(ctx context.Context, socket *udp.Socket, slots *udp.Slots) error {
	for ctx.Err() == nil {
		n, err := slots.Receive(socket)
		switch {
		case errors.Is(err, udp.ErrEmpty):
			if !socket.Wait() {
				return nil
			}
		case err != nil:
			return err
		}
		if slots.Rearm(n); n < slots.Len() {
			time.Sleep(receivePause)
		}
	}
	return nil
}
