// Package softflowtest puts a real NetFlow exporter before a test: softflowd, on the host's end of a veth pair whose other
// end is in a network namespace of its own. The truth to compare with is the kernel's counters of the host's end.
//
// It needs root, softflowd and iproute2. Neighbours are permanent and IPv6 is off, so that every frame on the cable is an
// IPv4 packet, which is what flows count. Everything is taken away at the test's end; a name says whose it was.
package softflowtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	linkHeader = 14 // bytes of Ethernet that the kernel counts and flows do not
	settled    = 100 * time.Millisecond
	startBound = 20 * time.Second
	buffer     = 8 << 20 // of softflowd's capture
	nudges     = 100
	nudgeBytes = 1000
)

// Cable is a veth pair with traffic to send over it.
type Cable struct {
	Host, Peer netip.Addr
	Interface  string     // the host's end
	nudger     netip.Addr // another address of the host
	namespace  string
	dir        string
}

// Counters are the kernel's of the host's end. Sent went to the peer.
type Counters struct{ SentBytes, SentPackets, ReceivedBytes, ReceivedPackets int64 }

// IP takes the link headers off bytes of so many frames.
func IP(bytes, frames int64) int64 { return bytes - linkHeader*frames }

// Missing tells why this machine cannot run an exporter: nil when it can.
func Missing() error {
	var missing []error
	if os.Geteuid() != 0 {
		missing = append(missing, errors.New("not root"))
	}
	for _, program := range []string{"softflowd", "softflowctl", "ip", "sysctl"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, err)
		}
	}
	return errors.Join(missing...)
}

// Skip skips the test on a machine that cannot run an exporter, or fails it where CI=true.
func Skip(t testing.TB) {
	t.Helper()
	err := Missing()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("no softflowd: %v", err)
	default:
		t.Skipf("no softflowd: %v", err)
	}
}

// New lays a cable in a /24 of its own: the host is .254, the peer .1. It skips as Skip does.
func New(t testing.TB, network string) *Cable {
	t.Helper()
	Skip(t)
	prefix, err := netip.ParsePrefix(network)
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() != 24 {
		t.Fatalf("network %s: %v", network, err)
	}
	b := prefix.Masked().Addr().As4()
	b[3] = 1
	peer := netip.AddrFrom4(b)
	b[3] = 253
	nudger := netip.AddrFrom4(b)
	b[3] = 254
	name := unique(t)
	c := &Cable{Host: netip.AddrFrom4(b), Peer: peer, nudger: nudger, Interface: name, namespace: name + "n", dir: t.TempDir()}
	c.lay(t)
	return c
}

// unique names an interface after this process; names have 15 characters at most.
func unique(t testing.TB) string {
	t.Helper()
	var b [1]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("ezs%xg%02x", os.Getpid(), b[0])
}

func (c *Cable) lay(t testing.TB) {
	t.Helper()
	run(t, "ip", "netns", "add", c.namespace)
	t.Cleanup(func() { run(t, "ip", "netns", "del", c.namespace) }) // and both ends of the cable
	run(t, "ip", "link", "add", c.Interface, "type", "veth", "peer", "name", "eth0", "netns", c.namespace)
	run(t, "sysctl", "-q", "-w", "net.ipv6.conf."+c.Interface+".disable_ipv6=1")
	run(t, "ip", "netns", "exec", c.namespace, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
	run(t, "ip", "addr", "add", c.Host.String()+"/24", "dev", c.Interface)
	run(t, "ip", "addr", "add", c.nudger.String()+"/24", "dev", c.Interface)
	run(t, "ip", "-n", c.namespace, "addr", "add", c.Peer.String()+"/24", "dev", "eth0")
	run(t, "ip", "-n", c.namespace, "link", "set", "eth0", "up")
	run(t, "ip", "link", "set", c.Interface, "up")
	here := output(t, "cat", "/sys/class/net/"+c.Interface+"/address")
	there := output(t, "ip", "netns", "exec", c.namespace, "cat", "/sys/class/net/eth0/address")
	run(t, "ip", "neigh", "replace", c.Peer.String(), "lladdr", there, "nud", "permanent", "dev", c.Interface)
	run(t, "ip", "-n", c.namespace, "neigh", "replace", c.Host.String(), "lladdr", here, "nud", "permanent", "dev", "eth0")
}

// Exporter is a running softflowd.
type Exporter struct {
	cable   *Cable
	cmd     *exec.Cmd
	stopped bool
}

// Export runs softflowd on the cable until Finish or the test's end.
func (c *Cable) Export(t testing.TB, target string, version, sampling int) *Exporter {
	t.Helper()
	args := []string{"-d", "-i", c.Interface, "-n", target, "-v", strconv.Itoa(version), "-B", strconv.Itoa(buffer),
		"-p", filepath.Join(c.dir, "pid"), "-c", c.control()}
	if sampling > 1 {
		args = append(args, "-s", strconv.Itoa(sampling))
	}
	e := &Exporter{cable: c, cmd: exec.Command("softflowd", args...)}
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := e.cmd.Start(); err != nil {
		t.Fatalf("start softflowd: %v", err)
	}
	t.Cleanup(e.stop)
	await(t, "softflowd", func() bool { return exec.Command("softflowctl", "-c", c.control(), "statistics").Run() == nil })
	return e
}

func (c *Cable) control() string { return filepath.Join(c.dir, "control") }

func (e *Exporter) stop() {
	if !e.stopped {
		e.stopped = true
		_ = e.cmd.Process.Signal(syscall.SIGTERM)
		_ = e.cmd.Wait() // a signal is how it ends
	}
}

// Finish waits until the exporter has seen so many frames, has it send what it knows, and ends it. The capture hands
// frames over by the block, when more of them come: those are of another address of the host, and in no comparison.
func (e *Exporter) Finish(t testing.TB, frames int64) {
	t.Helper()
	seen := regexp.MustCompile(`(?m)^Packets (?:processed|non-sampled): (\d+)$`)
	await(t, "the last frame at softflowd", func() bool {
		e.cable.send(t, e.cable.nudger, nudges, nudgeBytes)
		var total int64
		for _, m := range seen.FindAllStringSubmatch(output(t, "softflowctl", "-c", e.cable.control(), "statistics"), -1) {
			n, _ := strconv.ParseInt(m[1], 10, 64) // digits
			total += n
		}
		return total >= frames
	})
	run(t, "softflowctl", "-c", e.cable.control(), "expire-all")
	run(t, "softflowctl", "-c", e.cable.control(), "shutdown")
	e.stop()
}

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(startBound); !ok(); time.Sleep(settled) {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s took more than %s", what, startBound)
		}
	}
}

// Send sends datagrams of so many bytes of payload to the peer, which answers some with errors, and waits for the cable
// to come to rest.
func (c *Cable) Send(t testing.TB, count, size int) {
	t.Helper()
	c.send(t, c.Host, count, size)
	for before := (Counters{}); before != c.Counters(t); time.Sleep(settled) {
		before = c.Counters(t)
	}
}

func (c *Cable) send(t testing.TB, from netip.Addr, count, size int) {
	t.Helper()
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: from.AsSlice()}, &net.UDPAddr{IP: c.Peer.AsSlice(), Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	payload := make([]byte, size)
	for i := range count {
		if _, err := conn.Write(payload); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
		if i%50 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// Counters reads the kernel's counters of the host's end.
func (c *Cable) Counters(t testing.TB) Counters {
	t.Helper()
	n := func(name string) int64 {
		text := output(t, "cat", "/sys/class/net/"+c.Interface+"/statistics/"+name)
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return Counters{n("tx_bytes"), n("tx_packets"), n("rx_bytes"), n("rx_packets")}
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}
