// Package ovstest puts a real sFlow agent before a test: Open vSwitch with its userspace datapath, hosts in network
// namespaces of their own behind veth pairs, and iperf3 to make traffic. The truth to compare with is the kernel's
// counters of the switch's own interfaces.
//
// It needs root, openvswitch-switch, iperf3, ethtool and iproute2. Daemons run from a directory of the test's own,
// beside an Open vSwitch that the machine may be using, and everything is taken away at the test's end, or by the next
// test if this one is killed.
//
// Two things about this agent that a comparison must know. Its frame_length counts the 4 bytes of the frame check
// sequence, the interface counters do not: see Counters.OnTheWire. Its samples name no interface as their source
// but the bridge (source class 2), and are taken where a frame comes in.
package ovstest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	schema      = "/usr/share/openvswitch/vswitch.ovsschema"
	startBound  = 20 * time.Second
	trafficTime = 2 * time.Minute // at most, of one Transfer
	pollEvery   = 50 * time.Millisecond
	frameCheck  = 4 // bytes
)

// Config of a switch. Zero values take the default in brackets.
type Config struct {
	Target   string // the collector, host:port
	Sampling int    // one frame in [64]
	Polling  int    // seconds between counter samples [5]
	Header   int    // bytes of a frame in a sample [128]
	Hosts    int    // [2]
	Network  string // the hosts' IPv4 network, a /24; hosts are .1, .2, … ["10.88.0.0/24"]
}

// Host is a machine behind the switch.
type Host struct {
	Namespace string
	Address   netip.Addr
	Interface string // the switch's side of its cable
	IfIndex   uint32 // of Interface: what the agent's samples call the port
}

// Switch is a running Open vSwitch.
type Switch struct {
	Hosts  []Host
	bridge string
	dir    string // sockets, database, logs
}

// Counters are the kernel's, of a switch's interface. Received came from the host, Sent went to it.
type Counters struct {
	ReceivedBytes, ReceivedPackets, SentBytes, SentPackets int64
}

// OnTheWire adds what each frame has on a cable and in sFlow's frame_length, but not in the counters.
func OnTheWire(bytes, packets int64) int64 { return bytes + frameCheck*packets }

// Missing tells why this machine cannot run a switch: nil when it can.
func Missing() error {
	var missing []error
	if os.Geteuid() != 0 {
		missing = append(missing, errors.New("not root"))
	}
	for _, program := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "iperf3", "ethtool", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, err)
		}
	}
	return errors.Join(missing...)
}

// Skip skips the test on a machine that cannot run a switch, or fails it where CI=true.
func Skip(t testing.TB) {
	t.Helper()
	err := Missing()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("no Open vSwitch: %v", err)
	default:
		t.Skipf("no Open vSwitch: %v", err)
	}
}

// Start runs a switch that sends sFlow to cfg.Target until the test ends. It skips as Skip does.
func Start(t testing.TB, cfg Config) *Switch {
	t.Helper()
	Skip(t)
	setDefaults(&cfg)
	s := &Switch{dir: t.TempDir(), bridge: unique(t)}
	sweep(t)
	s.daemons(t)
	s.vsctl(t, "add-br", s.bridge, "--", "set", "bridge", s.bridge, "datapath_type=netdev", "fail-mode=standalone")
	t.Cleanup(func() { s.vsctl(t, "del-br", s.bridge) })
	for i := range cfg.Hosts {
		s.addHost(t, i, cfg.Network)
	}
	s.vsctl(t, "--", "--id=@s", "create", "sflow", "agent=lo", `target="`+cfg.Target+`"`,
		"sampling="+strconv.Itoa(cfg.Sampling), "polling="+strconv.Itoa(cfg.Polling), "header="+strconv.Itoa(cfg.Header),
		"--", "set", "bridge", s.bridge, "sflow=@s")
	return s
}

func setDefaults(cfg *Config) {
	for field, value := range map[*int]int{&cfg.Sampling: 64, &cfg.Polling: 5, &cfg.Header: 128, &cfg.Hosts: 2} {
		if *field == 0 {
			*field = value
		}
	}
	if cfg.Network == "" {
		cfg.Network = "10.88.0.0/24"
	}
}

// unique names a bridge after this process; names of interfaces have 15 characters at most.
func unique(t testing.TB) string {
	t.Helper()
	var b [1]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("ez%xg%02x", os.Getpid(), b[0])
}

// sweep takes away what a test that was killed has left behind: names say whose they were.
func sweep(t testing.TB) {
	t.Helper()
	for pattern, remove := range map[string]string{"/sys/class/net/ez*g*": "link", "/run/netns/ez*g*-h*": "netns"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			name = filepath.Base(name)
			owner, _, _ := strings.Cut(strings.TrimPrefix(name, "ez"), "g")
			pid, err := strconv.ParseInt(owner, 16, 32)
			if err == nil && syscall.Kill(int(pid), 0) != nil {
				_ = exec.Command("ip", remove, "del", name).Run() // another test may be sweeping too
			}
		}
	}
}

// daemons runs the database and the switch.
func (s *Switch) daemons(t testing.TB) {
	t.Helper()
	database, socket := filepath.Join(s.dir, "conf.db"), "unix:"+filepath.Join(s.dir, "db.sock")
	s.run(t, "ovsdb-tool", "create", database, schema)
	s.daemon(t, "ovsdb-server", database, "--remote=p"+socket, "--no-chdir")
	s.await(t, "the database", func() error {
		return s.command("ovs-vsctl", "--no-wait", "init").Run()
	})
	s.daemon(t, "ovs-vswitchd", socket, "--no-chdir")
}

// daemon runs a program of Open vSwitch in the foreground, until the test's end or this process's.
func (s *Switch) daemon(t testing.TB, name string, args ...string) {
	t.Helper()
	cmd := s.command(name, append(args, "-vconsole:err", "-vsyslog:off", "--log-file="+filepath.Join(s.dir, name+".log"))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // a signal is how it ends
	})
}

// command is a program that finds this switch.
func (s *Switch) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+s.dir, "OVS_DBDIR="+s.dir, "OVS_LOGDIR="+s.dir, "OVS_SYSCONFDIR="+s.dir)
	return cmd
}

func (s *Switch) vsctl(t testing.TB, args ...string) {
	t.Helper()
	s.run(t, "ovs-vsctl", append([]string{"--timeout=20"}, args...)...)
}

func (s *Switch) run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		if name != "ip" { // taking away may go on
			t.FailNow()
		}
	}
}

func (s *Switch) await(t testing.TB, what string, ok func() error) {
	t.Helper()
	end := time.Now().Add(startBound)
	for err := ok(); err != nil; err = ok() {
		if time.Now().After(end) {
			t.Fatalf("no %s: %v", what, err)
		}
		time.Sleep(pollEvery)
	}
}

// addHost makes a namespace, plugs it into the switch, and turns off what would join frames or leave checksums out.
func (s *Switch) addHost(t testing.TB, n int, network string) {
	t.Helper()
	prefix, err := netip.ParsePrefix(network)
	if err != nil || !prefix.Addr().Is4() {
		t.Fatalf("network %s: %v", network, err)
	}
	address := prefix.Masked().Addr().As4()
	address[3] += byte(n + 1)
	h := Host{Namespace: fmt.Sprintf("%s-h%d", s.bridge, n), Address: netip.AddrFrom4(address), Interface: fmt.Sprintf("%sp%d", s.bridge, n)}
	inside := "eth0"
	s.run(t, "ip", "netns", "add", h.Namespace)
	t.Cleanup(func() { s.run(t, "ip", "netns", "del", h.Namespace) }) // and both ends of the cable
	s.run(t, "ip", "link", "add", h.Interface, "type", "veth", "peer", "name", inside, "netns", h.Namespace)
	off := []string{"tx", "off", "gso", "off", "tso", "off", "gro", "off"}
	s.run(t, "ethtool", append([]string{"-K", h.Interface}, off...)...)
	s.run(t, "ip", append([]string{"netns", "exec", h.Namespace, "ethtool", "-K", inside}, off...)...)
	s.run(t, "ip", "netns", "exec", h.Namespace, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
	s.run(t, "ip", "-n", h.Namespace, "addr", "add", netip.PrefixFrom(h.Address, prefix.Bits()).String(), "dev", inside)
	s.run(t, "ip", "-n", h.Namespace, "link", "set", inside, "up")
	s.run(t, "ip", "link", "set", h.Interface, "up")
	s.vsctl(t, "add-port", s.bridge, h.Interface)
	h.IfIndex = uint32(s.number(t, h, "ifindex"))
	s.Hosts = append(s.Hosts, h)
}

func (s *Switch) number(t testing.TB, h Host, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/sys/class/net", h.Interface, name))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Counters reads the kernel's counters of the switch's interface to a host.
func (s *Switch) Counters(t testing.TB, h Host) Counters {
	t.Helper()
	return Counters{
		ReceivedBytes: s.number(t, h, "statistics/rx_bytes"), ReceivedPackets: s.number(t, h, "statistics/rx_packets"),
		SentBytes: s.number(t, h, "statistics/tx_bytes"), SentPackets: s.number(t, h, "statistics/tx_packets"),
	}
}

// Transfer sends bytes of payload by TCP from one host to another. The window is small: the switch's packet sockets
// hold about a hundred frames, and what they drop the interface has counted but the agent has not seen.
func (s *Switch) Transfer(t testing.TB, from, to Host, bytes int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), trafficTime)
	defer cancel()
	server := exec.CommandContext(ctx, "ip", "netns", "exec", to.Namespace, "iperf3", "--server", "--one-off", "--forceflush")
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "listening") {
	}
	client := exec.CommandContext(ctx, "ip", "netns", "exec", from.Namespace, "iperf3", "--client", to.Address.String(),
		"--bytes", strconv.FormatInt(bytes, 10), "--window", "64K")
	client.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if answer, err := client.CombinedOutput(); err != nil {
		t.Fatalf("iperf3: %v: %s", err, answer)
	}
	for lines.Scan() { // the server must be able to write its summary
	}
	if err := server.Wait(); err != nil {
		t.Fatalf("iperf3 server: %v", err)
	}
}
