package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/metering/meter/recount/explain"
	"github.com/ezscale/platform/metering/replay/pcap/capturetest"
	"github.com/ezscale/platform/metering/simulate"
	"github.com/ezscale/platform/metering/simulate/scenario"
)

// captured plays a scenario into a capture file, beginning at a time, and gives its truth.
func captured(t *testing.T, file, play string, start time.Time) simulate.Truth {
	t.Helper()
	text, err := os.ReadFile(play)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := scenario.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	parsed.Start = start
	simulation, err := simulate.New(parsed)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort("127.0.0.1:6343")
	f := capturetest.File{Link: 1, Nano: true}
	b := f.Next()
	for d := range simulation.Datagrams(t.Context()) {
		b = f.NextPacket(b, d.At.UnixNano(), capturetest.Ethernet(capturetest.UDP(netip.AddrPortFrom(d.Source, 50000), to, d.Bytes)))
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return simulation.Truth()
}

// refused runs the program, which has to fail, and gives what it said.
func refused(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	out, err := command.CombinedOutput()
	if err == nil {
		t.Fatalf("%s went through:\n%s", strings.Join(command.Args[1:], " "), out)
	}
	return string(out)
}

// TestTheRawLogTellsTheTruth replays a capture that is killed in its middle, and again whole: it counts once. Each hour can be
// explained, and after an assignment of the past is corrected it is metered anew.
func TestTheRawLogTellsTheTruth(t *testing.T) {
	needParts(t)
	data := openDir(t)
	http := fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	sflow := fmt.Sprintf("127.0.0.1:%d", freePort(t, "udp"))
	startDaemon(t, "up", func() *exec.Cmd { return ezscale(t, nil, "up", "--data", data, "--http", http, "--sflow", sflow) })
	in := &installation{api: remote{url: "http://" + http}}
	eventually(t, 2*time.Minute, "ready", func() error { return in.api.get("/health/ready", nil) })
	in.api.token = tokenOf(t, data)
	apply := ezscale(t, nil, "apply", "-f", "-", "--data", data)
	apply.Stdin = bytes.NewReader(output(t, ezscale(t, nil, "simulate", "switch", "--scenario", "testdata/company.yaml", "--manifest")))
	output(t, apply)
	run := func(args ...string) *exec.Cmd { return ezscale(t, nil, append(args, "--data", data)...) }

	hour := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	file := filepath.Join(t.TempDir(), "switches.pcapng")
	truth := captured(t, file, "testdata/company.yaml", hour.Add(10*time.Minute))
	if out := string(output(t, run("replay", "pcap", file, "--dry-run"))); !strings.Contains(out, "leaf-1") {
		t.Errorf("dry run says\n%s", out)
	}
	killed := run("replay", "pcap", file, "--speed", "6x")
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	eventually(t, time.Minute, "a part of it is counted", func() error {
		lines, err := in.usage(t)
		if err == nil && (len(lines) == 0 || sumOf(truths(lines)) == 0) {
			err = fmt.Errorf("nothing is")
		}
		return err
	})
	lines, _ := in.usage(t)
	if sumOf(truths(lines)) == sumOf(truth.Services) {
		t.Error("it was killed too late to prove anything")
	}
	for range 2 {
		output(t, run("replay", "pcap", file))
		in.awaitBooks(t, truth)
	}
	in.explained(t, run, "vps-1", hour, true)
	in.remetered(t, run, hour, truth)
}

func sumOf(services []simulate.ServiceTruth) (bytes int64) {
	for _, s := range services {
		bytes += s.BytesInL2 + s.BytesOutL2
	}
	return bytes
}

// explained asks where an hour's bytes came from, and that they sum to what the books have.
func (in *installation) explained(t *testing.T, run func(...string) *exec.Cmd, service string, hour time.Time, some bool) {
	t.Helper()
	var e explain.Explanation
	if err := json.Unmarshal(output(t, run("meter", "explain", service, "--hour", hour.Format("2006-01-02T15"), "--json")), &e); err != nil {
		t.Fatal(err)
	}
	var lines, sums int64
	for _, l := range e.Lines {
		lines += l.BytesL2
	}
	for _, s := range e.Sums {
		sums += s.Counted.BytesInL2 + s.Counted.BytesOutL2
		if s.Difference != (explain.Usage{}) {
			t.Errorf("%s: the books and the log differ by %+v", service, s.Difference)
		}
	}
	if lines != sums || (lines > 0) != some || !e.InLog || !e.Complete {
		t.Errorf("%s: lines sum to %d, the log to %d; %+v", service, lines, sums, e)
	}
}

// remetered gives a prefix to another service back to the capture's beginning, and meters anew.
func (in *installation) remetered(t *testing.T, run func(...string) *exec.Cmd, hour time.Time, truth simulate.Truth) {
	t.Helper()
	move := []string{"move", "10.20.0.2/32", "--from", "vps-2", "--to", "vps-1", "--at", hour.Format(time.RFC3339)}
	if said := refused(t, run(move...)); !strings.Contains(said, "corrects") {
		t.Errorf("a move into the past is refused without saying how: %s", said)
	}
	output(t, run(append(move, "--corrects")...))
	span := []string{"meter", "remeter", "--from", hour.Format("2006-01-02T15"), "--to", hour.Add(time.Hour).Format("2006-01-02T15")}
	t.Logf("%s", output(t, run(span...)))
	if said := refused(t, run(append(span, "--apply")...)); !strings.Contains(said, "--reason") {
		t.Errorf("without a reason: %s", said)
	}
	output(t, run(append(span, "--apply", "--reason", "the prefix was entered at the wrong service")...))
	if out := string(output(t, run(span...))); !strings.Contains(out, "nothing differs") {
		t.Errorf("with corrections that may still wait, a second run says\n%s", out)
	}
	want := byName(truth.Services)
	one, two := want["vps-1"], want["vps-2"]
	one.BytesInL2, one.BytesOutL2 = one.BytesInL2+two.BytesInL2, one.BytesOutL2+two.BytesOutL2
	one.BytesInL3, one.BytesOutL3 = one.BytesInL3+two.BytesInL3, one.BytesOutL3+two.BytesOutL3
	one.PacketsIn, one.PacketsOut, one.Samples = one.PacketsIn+two.PacketsIn, one.PacketsOut+two.PacketsOut, one.Samples+two.Samples
	want["vps-1"], want["vps-2"] = one, simulate.ServiceTruth{Service: "vps-2"}
	eventually(t, time.Minute, "the meter applies the corrections", func() error {
		lines, err := in.usage(t)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, byName(truths(lines))); diff != "" {
			return fmt.Errorf("the meter (+) differs from what the corrected past says (-):\n%s", diff)
		}
		return nil
	})
	if out := string(output(t, run(span...))); !strings.Contains(out, "nothing differs") {
		t.Errorf("a second run says\n%s", out)
	}
	in.explained(t, run, "vps-1", hour, true)
	in.explained(t, run, "vps-2", hour, false)
}
