package addresses

import (
	"errors"
	"net"
	"net/netip"
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
	if err := try(t.Context(), cfg); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("busy: %v", err)
	}
	time.AfterFunc(2*pause, func() { _ = predecessor.Close() })
	if err := Await(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

func TestListening(t *testing.T) {
	t.Parallel()
	all := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("[::1]:2"), netip.MustParseAddrPort("[::1]:3")}
	for sflow, want := range map[int]string{
		0: "NetFlow and IPFIX on udp 127.0.0.1:1, udp [::1]:2, udp [::1]:3", 1: "sFlow on udp 127.0.0.1:1; NetFlow and IPFIX on udp [::1]:2, udp [::1]:3",
		3: "sFlow on udp 127.0.0.1:1, udp [::1]:2, udp [::1]:3",
	} {
		if got := Listening(all, sflow); got != want {
			t.Errorf("%d: %s, want %s", sflow, got, want)
		}
	}
}
