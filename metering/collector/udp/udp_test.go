package udp_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/collector/udp"
)

const bound = 10 * time.Second

func open(t testing.TB, address string, count int) ([]*udp.Socket, netip.AddrPort) {
	t.Helper()
	group, bound, err := udp.OpenGroup(address, count, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.CloseAll(group) })
	return group, bound
}

func slots(t testing.TB, count int) *udp.Slots {
	t.Helper()
	s, err := udp.NewSlots(count)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// receive polls the sockets until count datagrams have come, and looks at each.
func receive(t testing.TB, group []*udp.Socket, s *udp.Slots, count int, look func(socket, slot int)) {
	t.Helper()
	for end := time.Now().Add(bound); count > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d datagrams have not come", count)
		}
		for i, socket := range group {
			n, err := s.Receive(socket)
			if err != nil && !errors.Is(err, udp.ErrEmpty) {
				t.Fatal(err)
			}
			for slot := range n {
				look(i, slot)
			}
			s.Rearm(n)
			count -= n
		}
	}
}

func dial(t testing.TB, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Skipf("no way to %s: %v", to, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestEverySizeComesWhole(t *testing.T) {
	t.Parallel()
	group, at := open(t, "127.0.0.1:0", 1)
	conn := dial(t, at)
	sizes := []int{0, 1, 1400, 9000, 65507}
	before := time.Now().UnixNano()
	for _, size := range sizes {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(i * size)
		}
		if _, err := conn.Write(payload); err != nil {
			t.Fatal(err)
		}
	}
	s := slots(t, 2) // fewer than datagrams: several calls
	receive(t, group, s, len(sizes), func(_, slot int) {
		payload := s.Payload(slot)
		if len(payload) != sizes[0] {
			t.Fatalf("%d bytes, want %d", len(payload), sizes[0])
		}
		for i, b := range payload {
			if b != byte(i*len(payload)) {
				t.Fatalf("byte %d of %d is wrong", i, len(payload))
			}
		}
		stamp, drops := s.Ancillary(slot)
		if stamp < before || stamp > time.Now().UnixNano() || drops != 0 {
			t.Errorf("stamp %d, drops %d", stamp, drops)
		}
		if want := conn.LocalAddr().(*net.UDPAddr).AddrPort(); s.Source(slot) != want {
			t.Errorf("source %v, want %v", s.Source(slot), want)
		}
		sizes = sizes[1:]
	})
}

func TestBothFamiliesOnOneSocket(t *testing.T) {
	t.Parallel()
	group, at := open(t, ":0", 2)
	seen := map[netip.Addr]bool{}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if _, err := dial(t, netip.AddrPortFrom(netip.MustParseAddr(host), at.Port())).Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s := slots(t, 8)
	receive(t, group, s, 2, func(_, slot int) { seen[s.Source(slot).Addr()] = true })
	if !seen[netip.MustParseAddr("127.0.0.1")] || !seen[netip.MustParseAddr("::1")] {
		t.Errorf("sources %v", seen)
	}
}

// Senders are spread over the group, and one sender stays with one socket.
func TestSendersAreSpread(t *testing.T) {
	t.Parallel()
	group, at := open(t, "127.0.0.1:0", 3)
	const senders, each = 60, 5
	for range senders {
		conn := dial(t, at)
		for range each {
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := slots(t, 64)
	home, load := map[netip.AddrPort]int{}, make([]int, len(group))
	receive(t, group, s, senders*each, func(socket, slot int) {
		if at, known := home[s.Source(slot)]; known && at != socket {
			t.Errorf("%v came to two sockets", s.Source(slot))
		}
		home[s.Source(slot)] = socket
		load[socket]++
	})
	for i, n := range load {
		if n == 0 {
			t.Errorf("socket %d got nothing: %v", i, load)
		}
	}
}

// Two groups on one port would silently split the datagrams between them.
func TestAPortIsTakenOnce(t *testing.T) {
	t.Parallel()
	_, at := open(t, "127.0.0.1:0", 2)
	if group, _, err := udp.OpenGroup(fmt.Sprintf("127.0.0.1:%d", at.Port()), 2, 1<<20); err == nil {
		_ = udp.CloseAll(group)
		t.Error("a second group got the port")
	}
}

func TestWaitEndsWithADatagramOrAnInterrupt(t *testing.T) {
	t.Parallel()
	group, at := open(t, "127.0.0.1:0", 1)
	waited := make(chan bool)
	go func() { waited <- group[0].Wait(); waited <- group[0].Wait() }()
	if _, err := dial(t, at).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if !<-waited || !group[0].Readable() {
		t.Error("a datagram came, and Wait says interrupted")
	}
	group[0].Interrupt()
	for range 2 { // it may have seen the datagram once more, never waits again
		if !<-waited {
			return
		}
		go func() { waited <- group[0].Wait() }()
	}
	t.Error("not interrupted")
}

func TestBufferIsGrantedAndDropsAreTold(t *testing.T) {
	t.Parallel()
	small, smallAt, err := udp.OpenGroup("127.0.0.1:0", 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = udp.CloseAll(small) })
	conn := dial(t, smallAt)
	const sent = 100
	for range sent {
		if _, err := conn.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	drops, ok := small[0].Drops()
	if !ok {
		t.Skip("this kernel does not tell a socket's drops")
	}
	s := slots(t, sent)
	receive(t, small, s, sent-int(drops), func(int, int) {})
	if drops == 0 {
		t.Error("nothing dropped")
	}
	if _, err := conn.Write(nil); err != nil {
		t.Fatal(err)
	}
	receive(t, small, s, 1, func(_, slot int) {
		if _, told := s.Ancillary(slot); told != drops {
			t.Errorf("a datagram tells %d drops, the socket %d", told, drops)
		}
	})
	large, _ := open(t, "127.0.0.1:0", 1)
	if large[0].Buffer() <= small[0].Buffer() {
		t.Errorf("granted %d bytes for 1 MiB, %d for 1", large[0].Buffer(), small[0].Buffer())
	}
}
