package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is one UDP socket of a group that shares an address by SO_REUSEPORT.
type socket struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	buffer int // bytes granted, as the kernel counts them
}

// openGroup opens count sockets on one address. Only the first may take the port, and it takes it alone: with
// SO_REUSEPORT from the start, two collectors of one user would silently share a port and split the datagrams.
func openGroup(address string, count, buffer int) ([]*socket, netip.AddrPort, error) {
	first, err := openSocket(address, buffer, false)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	group := []*socket{first}
	bound := first.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := first.option(unix.SO_REUSEPORT, 1); err != nil {
		return nil, netip.AddrPort{}, errors.Join(err, first.close())
	}
	for range count - 1 {
		next, err := openSocket(sameAddress(address, bound), buffer, true)
		if err != nil {
			return nil, netip.AddrPort{}, errors.Join(err, closeAll(group))
		}
		group = append(group, next)
	}
	return group, netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()), nil
}

// sameAddress keeps the host as it was written, so that the second socket gets the first one's family.
func sameAddress(address string, bound netip.AddrPort) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return bound.String()
	}
	return net.JoinHostPort(host, fmt.Sprint(bound.Port()))
}

func closeAll(sockets []*socket) error {
	var err error
	for _, s := range sockets {
		err = errors.Join(err, s.close())
	}
	return err
}

// openSocket binds one socket. The "udp" network is dual-stack where IPv6 is on and IPv4 where it is not.
func openSocket(address string, buffer int, share bool) (*socket, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return prepare(fd, share) })
	}}
	packet, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for datagrams on %s: %w", address, err)
	}
	s := &socket{conn: packet.(*net.UDPConn)}
	if s.raw, err = s.conn.SyscallConn(); err == nil {
		err = control(s.raw, func(fd int) error {
			s.buffer, err = growBuffer(fd, buffer)
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare socket on %s: %w", address, err), packet.Close())
	}
	return s, nil
}

// control runs f on the socket's descriptor.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	err := raw.Control(func(fd uintptr) { inner = f(int(fd)) })
	return errors.Join(err, inner)
}

func prepare(fd int, share bool) error {
	options := []int{unix.SO_TIMESTAMPNS, unix.SO_RXQ_OVFL}
	if share {
		options = append(options, unix.SO_REUSEPORT)
	}
	for _, option := range options {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// growBuffer asks for a receive buffer beyond net.core.rmem_max where we may, and tells what the kernel granted.
func growBuffer(fd, bytes int) (int, error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes); err != nil {
			return 0, os.NewSyscallError("setsockopt SO_RCVBUF", err)
		}
	}
	granted, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return granted, os.NewSyscallError("getsockopt SO_RCVBUF", err)
}

func (s *socket) option(option, value int) error {
	return control(s.raw, func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, value))
	})
}

// readable tells whether a datagram waits in the socket.
func (s *socket) readable() bool {
	waiting := false
	_ = control(s.raw, func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		waiting = n > 0
		return err
	})
	return waiting
}

func (s *socket) close() error {
	if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close socket: %w", err)
	}
	return nil
}
