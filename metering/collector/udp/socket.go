//go:build linux

// Package udp reads many datagrams with one system call. It is for Linux: recvmmsg, the kernel's own time of arrival
// (SO_TIMESTAMPNS), its count of what a socket could not hold (SO_RXQ_OVFL, SO_MEMINFO), and several sockets on one
// address (SO_REUSEPORT), among which the kernel spreads senders.
package udp

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

// Socket is one UDP socket of a group that shares an address by SO_REUSEPORT. Its descriptor is kept out of the
// runtime's poller: there every datagram that comes during a pause would wake the process (36 % of its CPU time).
type Socket struct {
	fd     int
	bound  netip.AddrPort
	buffer int // bytes granted, as the kernel counts them
	stop   int // an eventfd that ends Wait
}

// OpenGroup opens count sockets on one address. Only the first may take the port, and it takes it alone: with
// SO_REUSEPORT from the start, two collectors of one user would silently share a port and split the datagrams.
func OpenGroup(address string, count, buffer int) ([]*Socket, netip.AddrPort, error) {
	first, err := openSocket(address, buffer, false)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	group := []*Socket{first}
	bound := first.bound
	if err := first.option(unix.SO_REUSEPORT, 1); err != nil {
		return nil, netip.AddrPort{}, errors.Join(err, first.Close())
	}
	for range count - 1 {
		next, err := openSocket(sameAddress(address, bound), buffer, true)
		if err != nil {
			return nil, netip.AddrPort{}, errors.Join(err, CloseAll(group))
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

// CloseAll closes them all.
func CloseAll(sockets []*Socket) error {
	var err error
	for _, s := range sockets {
		err = errors.Join(err, s.Close())
	}
	return err
}

// openSocket binds one socket. The "udp" network is dual-stack where IPv6 is on and IPv4 where it is not.
func openSocket(address string, buffer int, share bool) (*Socket, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return prepare(fd, share) })
	}}
	conn, err := config.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for datagrams on %s: %w", address, err)
	}
	s := &Socket{fd: -1, stop: -1, bound: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	if err := errors.Join(s.takeOver(conn.(*net.UDPConn), buffer), conn.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare socket on %s: %w", address, err), s.Close())
	}
	return s, nil
}

// takeOver duplicates the connection's descriptor; closing the connection then leaves the runtime's poller.
func (s *Socket) takeOver(conn *net.UDPConn, buffer int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	err = control(raw, func(fd int) error {
		s.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl", err)
	})
	if err != nil {
		return err
	}
	if s.buffer, err = growBuffer(s.fd, buffer); err != nil {
		return err
	}
	s.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return os.NewSyscallError("eventfd", err)
}

// control runs f on a connection's descriptor.
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

func (s *Socket) option(option, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, option, value))
}

// Wait sleeps until a datagram is there; false once Interrupt was called.
func (s *Socket) Wait() bool {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.stop), Events: unix.POLLIN}}
	_, _ = unix.Poll(fds, -1) // a signal only means that the caller looks once more
	return fds[1].Revents == 0
}

// Interrupt ends Wait, now and from now on.
func (s *Socket) Interrupt() {
	_, _ = unix.Write(s.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // cannot fail: the counter is far from full
}

// Readable tells whether a datagram waits in the socket.
func (s *Socket) Readable() bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, 0)
	return n > 0
}

// Buffer is the size of the receive buffer that the kernel granted, in bytes as it counts them.
func (s *Socket) Buffer() int { return s.buffer }

// Close gives the descriptors back. Nobody may be in Wait or Receive.
func (s *Socket) Close() error {
	var err error
	for _, fd := range []int{s.fd, s.stop} {
		if fd >= 0 {
			err = errors.Join(err, os.NewSyscallError("close", unix.Close(fd)))
		}
	}
	s.fd, s.stop = -1, -1
	return err
}
