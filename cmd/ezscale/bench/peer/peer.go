// Package peer measures other collectors with the same datagrams on the same machine: goflow2, which is a library of
// this build, pmacct's sfacctd and nfdump's sfcapd where they are installed. What they do with a sample differs and is
// told with each; none of them stores counters in a database. Before them comes what the machine itself allows: the
// receive alone.
package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/child"
	"github.com/ezscale/platform/cmd/ezscale/bench/load"
)

const (
	startBound  = 15 * time.Second
	startPoll   = 50 * time.Millisecond
	drainBound  = 60 * time.Second
	drainPoll   = 500 * time.Millisecond
	idleCPU     = 20 * time.Millisecond // of one poll: nothing is being worked off any more
	idlePolls   = 2
	settleAfter = 500 * time.Millisecond
)

// Config of a comparison.
type Config struct {
	Program             string // this binary
	Dir                 string // for what peers write
	Exporters, Services int
	Task                load.Task
	ReceiveRate         int // datagrams a second for the receive alone
}

// Result is what one peer did.
type Result struct {
	Name                string  `json:"name"`
	Does                string  `json:"does"`              // with a sample
	Missing             string  `json:"missing,omitempty"` // how to have it measured
	Offered             int64   `json:"offered"`           // datagrams
	Lost                int64   `json:"lost"`              // datagrams that its sockets could not hold
	CPU                 float64 `json:"cpu_seconds"`
	SamplesPerCPUSecond float64 `json:"samples_per_cpu_second"`
	RSS                 int64   `json:"rss_bytes"`
}

// kind is how a peer is started.
type kind struct {
	name, does, program, install string
	rate                         int // datagrams a second
	arguments                    func(cfg Config, listen netip.AddrPort) ([]string, error)
}

func kinds(cfg Config) []kind {
	return []kind{
		{name: "receive", does: "nothing: taken from the socket and thrown away", program: cfg.Program, rate: cfg.ReceiveRate, arguments: receiveArguments},
		{name: "goflow2", does: "JSON, thrown away", program: cfg.Program, rate: cfg.Task.Rate, arguments: goflow2Arguments},
		{name: "sfacctd", does: "per-host counters in memory", program: "sfacctd", rate: cfg.Task.Rate, install: "apt-get install pmacct", arguments: sfacctdArguments},
		{name: "sfcapd", does: "flow records in a file", program: "sfcapd", rate: cfg.Task.Rate, install: "apt-get install nfdump-sflow", arguments: sfcapdArguments},
	}
}

// Run measures every peer that is there.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	var all []Result
	for _, k := range kinds(cfg) {
		program, err := exec.LookPath(k.program)
		if err != nil {
			all = append(all, Result{Name: k.name, Does: k.does, Missing: k.install})
			continue
		}
		result, err := measure(ctx, cfg, k, program)
		if err != nil {
			return all, fmt.Errorf("measure %s: %w", k.name, err)
		}
		all = append(all, result)
	}
	return all, nil
}

func receiveArguments(_ Config, listen netip.AddrPort) ([]string, error) {
	return []string{"bench", "receive", "--listen", listen.String()}, nil
}

func goflow2Arguments(_ Config, listen netip.AddrPort) ([]string, error) {
	return []string{"bench", "goflow2", "--listen", listen.String()}, nil
}

func sfacctdArguments(cfg Config, listen netip.AddrPort) ([]string, error) {
	path := filepath.Join(cfg.Dir, "sfacctd.conf")
	text := fmt.Sprintf("daemonize: false\nsfacctd_ip: %s\nsfacctd_port: %d\nsfacctd_renormalize: true\nplugins: memory\naggregate: src_host,dst_host\n"+
		"imt_path: %s\nplugin_pipe_size: 104857600\nplugin_buffer_size: 102400\n", listen.Addr(), listen.Port(), filepath.Join(cfg.Dir, "sfacctd.pipe"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write its configuration: %w", err)
	}
	return []string{"-f", path}, nil
}

func sfcapdArguments(cfg Config, listen netip.AddrPort) ([]string, error) {
	dir := filepath.Join(cfg.Dir, "sfcapd")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make its directory: %w", err)
	}
	return []string{"-b", listen.Addr().String(), "-p", strconv.Itoa(int(listen.Port())), "-w", dir}, nil
}

func measure(ctx context.Context, cfg Config, k kind, program string) (Result, error) {
	r := Result{Name: k.name, Does: k.does}
	cfg.Task.Rate = k.rate
	listen, err := freePort()
	if err != nil {
		return r, err
	}
	arguments, err := k.arguments(cfg, listen)
	if err != nil {
		return r, err
	}
	p, err := child.Start(k.name, nil, program, arguments...)
	if err != nil {
		return r, err
	}
	defer p.Kill() // it has nothing to keep, and sfacctd takes its time
	if err := awaitListening(ctx, p, int(listen.Port())); err != nil {
		return r, err
	}
	sent, used, err := feed(ctx, cfg, p, listen)
	if err != nil {
		return r, err
	}
	drops, _, err := socket(int(listen.Port()))
	if err != nil {
		return r, err
	}
	r.Offered, r.Lost, r.CPU, r.RSS = sent.Datagrams, drops, used.CPU.Seconds(), used.Resident()
	if r.CPU > 0 {
		r.SamplesPerCPUSecond = float64(load.SamplesEach*(r.Offered-r.Lost)) / r.CPU
	}
	return r, nil
}

// feed sends the task's datagrams and waits until the peer has worked them off.
func feed(ctx context.Context, cfg Config, p *child.Process, to netip.AddrPort) (sent load.Sent, used child.Usage, err error) {
	time.Sleep(settleAfter) // what its start costs is not in the figure
	before, err := p.Usage()
	if err != nil {
		return sent, used, err
	}
	sender, err := child.Start("sender", nil, cfg.Program, "bench", "sender", "--target", to.String(),
		"--exporters", strconv.Itoa(cfg.Exporters), "--services", strconv.Itoa(cfg.Services))
	if err != nil {
		return sent, used, err
	}
	defer func() { err = errors.Join(err, sender.Stop()) }()
	if err := json.NewEncoder(sender.In).Encode(cfg.Task); err != nil {
		return sent, used, fmt.Errorf("tell the sender: %w", errors.Join(err, sender.Running()))
	}
	if err := json.NewDecoder(bufio.NewReader(sender.Out)).Decode(&sent); err != nil {
		return sent, used, fmt.Errorf("hear from the sender: %w", errors.Join(err, sender.Running()))
	}
	used, err = drained(ctx, p)
	used.CPU -= before.CPU
	return sent, used, err
}

// drained waits until a peer does nothing any more.
func drained(ctx context.Context, p *child.Process) (last child.Usage, err error) {
	deadline := time.Now().Add(drainBound)
	for idle := 0; idle < idlePolls && time.Now().Before(deadline); {
		now, err := p.Usage()
		if err != nil {
			return now, err
		}
		if now.CPU-last.CPU <= idleCPU {
			idle++
		} else {
			idle = 0
		}
		last.CPU = now.CPU
		if now.Resident() > last.Resident() {
			last = now
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(drainPoll):
		}
	}
	return last, p.Running()
}

func awaitListening(ctx context.Context, p *child.Process, port int) error {
	deadline := time.Now().Add(startBound)
	for {
		if err := p.Running(); err != nil {
			return err
		}
		if _, there, err := socket(port); there || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not listen on port %d after %s", p.Name(), port, startBound)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startPoll):
		}
	}
}

// socket reads the kernel's table: whether anybody listens on a UDP port, and how many datagrams it could not hold.
func socket(port int) (drops int64, there bool, err error) {
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, false, fmt.Errorf("read the UDP sockets: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if d, ok := dropsOf(line, port); ok {
				drops, there = drops+d, true
			}
		}
	}
	return drops, there, nil
}

// dropsOf reads a line of /proc/net/udp, see udp(7) and the kernel's net/ipv4/udp.c: the local address is the second
// field, drops are the last.
func dropsOf(line string, port int) (int64, bool) {
	fields := strings.Fields(line)
	if len(fields) < 13 {
		return 0, false
	}
	_, hex, _ := strings.Cut(fields[1], ":")
	if n, err := strconv.ParseUint(hex, 16, 16); err != nil || int(n) != port {
		return 0, false
	}
	drops, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
	return drops, err == nil
}

func freePort() (netip.AddrPort, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find a free UDP port: %w", err)
	}
	bound, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return bound, errors.Join(err, conn.Close())
}
