package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	laneDatagrams   = 64      // in one sendmmsg call
	laneSendBuffer  = 4 << 20 // bytes, as far as the kernel allows
	laneMaxRefusals = 16      // in a row for one datagram, which is then given up
)

// lane is the way of one agent's datagrams: a socket of its own, and what waits to be sent in one call.
type lane struct {
	conn     net.Conn
	write    func([]ipv4.Message, int) (int, error)
	messages []ipv4.Message
	buffers  [][]byte
	waiting  int

	count, refusals *atomic.Int64
}

func openLane(ctx context.Context, source netip.Addr, target netip.AddrPort, count, refusals *atomic.Int64) (*lane, error) {
	dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
	conn, err := dialer.DialContext(ctx, "udp", target.String())
	if err != nil {
		return nil, fmt.Errorf("send from %v to %v: %w", source, target, err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("send from %v: not a UDP socket", source), conn.Close())
	}
	_ = udp.SetWriteBuffer(laneSendBuffer) // the kernel's bound will do where it is lower
	l := &lane{conn: conn, count: count, refusals: refusals}
	if source.Is4() {
		l.write = ipv4.NewPacketConn(udp).WriteBatch
	} else {
		l.write = ipv6.NewPacketConn(udp).WriteBatch
	}
	l.messages = make([]ipv4.Message, laneDatagrams)
	l.buffers = make([][]byte, laneDatagrams)
	for i := range l.messages {
		l.messages[i].Buffers = l.buffers[i : i+1]
	}
	return l, nil
}

// add takes a copy of a datagram, and sends all that wait when there are enough of them.
func (l *lane) add(b []byte) error {
	l.buffers[l.waiting] = append(l.buffers[l.waiting][:0], b...)
	if l.waiting++; l.waiting < laneDatagrams {
		return nil
	}
	return l.flush()
}

// flush sends all that wait. "Connection refused" tells of an earlier datagram that nobody was there to take: it is
// counted, and what it held up is tried again.
func (l *lane) flush() error {
	refused := 0
	for done := 0; done < l.waiting; {
		n, err := l.write(l.messages[done:l.waiting], 0)
		if n > 0 {
			done, refused = done+n, 0
			l.count.Add(int64(n))
		}
		switch {
		case err == nil:
		case !errors.Is(err, syscall.ECONNREFUSED):
			l.waiting = 0
			return fmt.Errorf("send: %w", err)
		default:
			l.refusals.Add(1)
			if refused++; refused >= laneMaxRefusals {
				done, refused = done+1, 0
			}
		}
	}
	l.waiting = 0
	return nil
}
