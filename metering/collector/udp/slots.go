//go:build linux

package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrEmpty says that no datagram waits.
var ErrEmpty = errors.New("no datagram waits")

const (
	// slotBytes holds any UDP datagram. It is not a power of two: datagrams at equal low address bits would push
	// each other out of the CPU's cache. Memory that no datagram reaches is never touched, so it costs nothing.
	slotBytes    = 66 << 10
	controlBytes = 96 // a timestamp (32) and a drop counter (24), with room to spare
)

// Slots is the memory that one recvmmsg call fills (recvmmsg(2)). golang.org/x/sys has no wrapper for the call;
// ipv4.PacketConn.ReadBatch makes a net.Addr per datagram.
type Slots struct {
	memory  []byte // from mmap, outside the garbage collector's count
	headers []header
	vectors []unix.Iovec
	names   []unix.RawSockaddrInet6 // also holds an IPv4 one
	control [][controlBytes]byte
}

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	length uint32
}

// NewSlots makes room for count datagrams.
func NewSlots(count int) (*Slots, error) {
	memory, err := unix.Mmap(-1, 0, count*slotBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for %d datagrams: %w", count, os.NewSyscallError("mmap", err))
	}
	s := &Slots{
		memory: memory, headers: make([]header, count), vectors: make([]unix.Iovec, count),
		names: make([]unix.RawSockaddrInet6, count), control: make([][controlBytes]byte, count),
	}
	for i := range s.headers {
		s.vectors[i].Base = &memory[i*slotBytes]
		s.vectors[i].SetLen(slotBytes)
		h := &s.headers[i].Msghdr
		h.Iov, h.Control = &s.vectors[i], &s.control[i][0]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
	}
	s.Rearm(count)
	return s, nil
}

// Rearm restores what the kernel wrote over in the first n slots, once they have been looked at.
func (s *Slots) Rearm(n int) {
	for i := range s.headers[:n] {
		s.headers[i].Namelen = unix.SizeofSockaddrInet6
		s.headers[i].SetControllen(controlBytes)
	}
}

// Len is the number of slots.
func (s *Slots) Len() int { return len(s.headers) }

// Receive takes what waits in the socket, up to all slots, and does not wait: ErrEmpty when there is nothing. Go's
// scheduler is not told: the call ends within a fraction of a millisecond, and what it does around a call that may
// block (hand the processor on, wake its monitor, take a processor back) costs a tenth of the receiving.
func (s *Slots) Receive(from *Socket) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(from.fd), uintptr(unsafe.Pointer(&s.headers[0])),
			uintptr(len(s.headers)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrEmpty
		default:
			return 0, os.NewSyscallError("recvmmsg", errno)
		}
	}
}

// Payload is datagram i, valid until the next Receive.
func (s *Slots) Payload(i int) []byte {
	return s.memory[i*slotBytes:][:s.headers[i].length]
}

// Source is who sent datagram i, IPv4 unmapped.
func (s *Slots) Source(i int) netip.AddrPort {
	name := &s.names[i]
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), swap(v4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), swap(name.Port))
}

// swap turns the port's network order around, on either kind of machine.
func swap(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

// Ancillary reads datagram i's control messages: the kernel's time of arrival in Unix nanoseconds and the socket's
// drops so far; 0 for what is not there. Messages are read as in cmsg(3), each bound checked.
func (s *Slots) Ancillary(i int) (at int64, drops uint32) {
	rest := s.control[i][:min(int(s.headers[i].Controllen), controlBytes)]
	for len(rest) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&rest[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(rest) {
			return at, drops
		}
		data := rest[unix.SizeofCmsghdr:size]
		switch {
		case h.Level != unix.SOL_SOCKET:
		case h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16:
			at = int64(binary.NativeEndian.Uint64(data))*1e9 + int64(binary.NativeEndian.Uint64(data[8:]))
		case h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			drops = binary.NativeEndian.Uint32(data)
		}
		rest = rest[min((size+7)&^7, len(rest)):]
	}
	return at, drops
}

// Close gives the memory back.
func (s *Slots) Close() error {
	if err := unix.Munmap(s.memory); err != nil {
		return os.NewSyscallError("munmap", err)
	}
	return nil
}

// Drops asks the kernel for a socket's drops so far, without waiting for a datagram to carry them
// (SO_MEMINFO, an array of uint32 with the drops at SK_MEMINFO_DROPS); false where that is not known.
func (s *Socket) Drops() (uint32, bool) {
	const dropsAt, words = 8, 9
	var info [words]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
	return info[dropsAt], errno == 0 && size >= words*4
}
