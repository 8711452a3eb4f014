package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/cmd/ezscale/servers"
	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/devmail"
	"github.com/ezscale/platform/metering/simulate"
)

// usageLine is one object of `ezscale usage --json`.
type usageLine struct {
	simulate.ServiceTruth
	ErrorBoundPercent any `json:"error_bound_percent"`
}

// installation is the platform as production runs it: servers and one process per role, each of which may be killed.
type installation struct {
	mailbox *devmail.Mailbox
	servers *daemon
	roles   map[string]*daemon
	env     []string
	api     remote
	sflow   string
}

const testToken = "test-token-of-at-least-32-characters"

// newInstallation starts the servers on fixed ports and the roles on them, and waits until all of it serves.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	needParts(t)
	data := openDir(t)
	in := &installation{mailbox: newMailbox(t), roles: map[string]*daemon{}, sflow: fmt.Sprintf("127.0.0.1:%d", freePort(t, "udp"))}
	args := []string{"servers", "--data", data}
	if kind := os.Getenv("EZSCALE_TEST_KAFKA_KIND"); kind != "" {
		args = append(args, "--kafka", kind)
	}
	in.servers = startDaemon(t, "servers", func() *exec.Cmd { return ezscale(t, nil, args...) })
	http := fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	in.api = remote{"http://" + http, testToken}
	in.env = append(in.serverAddresses(t), "EZSCALE_MODE=development", "EZSCALE_TOKEN="+testToken, "EZSCALE_HTTP="+http,
		"EZSCALE_SFLOW="+in.sflow, "EZSCALE_NETFLOW=off", "EZSCALE_DATA="+filepath.Join(data, "roles"), "EZSCALE_SWEEP=1s", "EZSCALE_LOG_LEVEL=warn",
		"EZSCALE_SMTP=smtp://"+in.mailbox.SMTPAddr().String(), "EZSCALE_SMTP_INSECURE=true", "EZSCALE_DISCORD_WEBHOOK="+in.mailbox.DiscordURL())
	output(t, ezscale(t, in.env, "migrate"))
	for _, role := range []string{"api", "relay", "policy", "jobs", "projections", "meter", "collector"} {
		in.roles[role] = startDaemon(t, role, func() *exec.Cmd { return ezscale(t, in.env, role) })
	}
	eventually(t, time.Minute, "API ready", func() error { return in.api.get("/health/ready", nil) })
	return in
}

// openDir is a temporary directory that an unprivileged server process can enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, remove, err := servers.DataOrTemporary("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	return dir
}

// serverAddresses reads what the servers printed, and turns it into settings of roles.
func (in *installation) serverAddresses(t *testing.T) []string {
	t.Helper()
	var env []string
	eventually(t, 3*time.Minute, "servers ready", func() error {
		if !in.servers.alive() {
			t.Fatal("the servers ended")
		}
		text, err := os.ReadFile(in.servers.log.Name())
		if err != nil {
			return err
		}
		env = nil
		for line := range strings.Lines(string(text)) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), "='")
			if ok && strings.HasPrefix(name, "export EZSCALE_TEST_") {
				env = append(env, "EZSCALE_"+strings.TrimPrefix(name, "export EZSCALE_TEST_")+"="+strings.TrimSuffix(value, "'"))
			}
		}
		if len(env) < 4 {
			return fmt.Errorf("%d addresses so far", len(env))
		}
		return nil
	})
	return env
}

func (in *installation) command(t *testing.T, args ...string) []byte {
	t.Helper()
	return output(t, ezscale(t, nil, append(args, "--url", in.api.url)...))
}

// apply tells the platform of a scenario's exporters and services.
func (in *installation) apply(t *testing.T, scenario string) {
	t.Helper()
	manifest := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(manifest, output(t, ezscale(t, nil, "simulate", "switch", "--scenario", scenario, "--manifest")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EZSCALE_TOKEN", testToken)
	in.command(t, "apply", "-f", manifest)
}

func (in *installation) usage(t *testing.T) ([]usageLine, error) {
	t.Helper()
	var lines client.List[usageLine]
	err := in.api.get("/api/v1/usage?all=true", &lines)
	return lines.Items, err
}

// play runs the simulated switch to its end and gives its truth.
func play(t *testing.T, scenario, target string, more ...string) simulate.Truth {
	t.Helper()
	out := output(t, ezscale(t, nil, append([]string{"simulate", "switch", "--scenario", scenario, "--target", target}, more...)...))
	var truth simulate.Truth
	if err := json.Unmarshal(out, &truth); err != nil {
		t.Fatalf("truth: %v\n%s", err, out)
	}
	return truth
}

// awaitBooks waits until the usage equals the truth, and shows the difference when it does not.
func (in *installation) awaitBooks(t *testing.T, truth simulate.Truth) {
	t.Helper()
	eventually(t, time.Minute, "usage equals the truth", func() error {
		lines, err := in.usage(t)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(byName(truth.Services), byName(truths(lines))); diff != "" {
			return fmt.Errorf("the meter (+) differs from the truth (-):\n%s", diff)
		}
		return nil
	})
}

func truths(lines []usageLine) []simulate.ServiceTruth {
	all := make([]simulate.ServiceTruth, len(lines))
	for i, l := range lines {
		all[i] = l.ServiceTruth
	}
	return all
}

func byName(all []simulate.ServiceTruth) map[string]simulate.ServiceTruth {
	named := map[string]simulate.ServiceTruth{}
	for _, s := range all {
		if s.Samples == 0 {
			s.DatagramsLost = 0 // what an exporter lost says nothing about a service it never saw
		}
		named[s.Service] = s
	}
	return named
}

// TestBooksEqualWhateverDies plays a lossy, disordered, restarting pair of switches while everything but the
// collector is killed again and again: the counters equal the truth to the byte, and so does the graph.
func TestBooksEqualWhateverDies(t *testing.T) {
	in := newInstallation(t)
	in.apply(t, "testdata/company.yaml")
	stop := make(chan struct{})
	killed := make(chan map[string]int)
	go in.killAtRandom(t, stop, killed)
	truth := play(t, "testdata/company.yaml", in.sflow)
	close(stop)
	t.Logf("kills: %v", <-killed)
	in.awaitBooks(t, truth)
	in.awaitGraph(t, truth)
	in.awaitAlerts(t, truth)
	in.closeMonth(t, truth)
}

// killAtRandom kills one process after the other until stop, roles being started again here and servers by their
// supervisor.
func (in *installation) killAtRandom(t *testing.T, stop chan struct{}, killed chan map[string]int) {
	victims := []string{"relay", "meter", "projections", "policy", "clickhouse", "kafka", "postgres"}
	counts := map[string]int{}
	defer func() { killed <- counts }()
	random := rand.New(rand.NewPCG(1, 2))
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(700+random.IntN(1200)) * time.Millisecond):
		}
		victim := victims[i%len(victims)]
		counts[victim]++
		if d := in.roles[victim]; d != nil {
			d.kill(t)
			d.start(t)
			continue
		}
		for _, pid := range children(t, in.servers.command.Process.Pid, victim) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be down already
		}
	}
}

// awaitGraph compares the sums of the ten-second series with the truth.
func (in *installation) awaitGraph(t *testing.T, truth simulate.Truth) {
	t.Helper()
	from, to := time.Now().Add(-30*time.Minute).UTC().Format(time.RFC3339), time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	for _, service := range truth.Services {
		eventually(t, time.Minute, "graph of "+service.Service, func() error {
			var series struct {
				Points []struct{ In, Out *int64 }
			}
			err := in.api.get("/api/v1/services/"+service.Service+"/usage?step=10s&unit=bytes&basis=l2&from="+from+"&to="+to, &series)
			if err != nil {
				return err
			}
			var in, out int64
			for _, p := range series.Points {
				if p.In != nil && p.Out != nil {
					in, out = in+*p.In, out+*p.Out
				}
			}
			if in != service.BytesInL2 || out != service.BytesOutL2 {
				return fmt.Errorf("in %d, out %d; want %d, %d", in, out, service.BytesInL2, service.BytesOutL2)
			}
			return nil
		})
	}
}

// TestCollectorKilledShowsInTheLedger kills the collector while datagrams flow: what was lost is exactly what the
// ledger says, and everything else is counted.
func TestCollectorKilledShowsInTheLedger(t *testing.T) {
	in := newInstallation(t)
	in.apply(t, "testdata/company.yaml")
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Not around the reboot: what is lost before a restart, up to its first datagram, leaves no gap.
		for _, pause := range []time.Duration{2 * time.Second, 11 * time.Second, 4 * time.Second} {
			time.Sleep(pause)
			in.roles["collector"].kill(t)
			in.roles["collector"].start(t)
		}
	}()
	truth := play(t, "testdata/company.yaml", in.sflow, "--loss", "0", "--duplicate", "0", "--reorder", "0")
	<-done
	var exporters struct {
		Items []struct {
			Name     string
			LastHour struct {
				Datagrams     int64 `json:"datagrams"`
				DatagramsLost int64 `json:"datagrams_lost"`
			} `json:"last_hour"`
		}
	}
	eventually(t, 30*time.Second, "counted and lost make up what was sent", func() error {
		if err := in.api.get("/api/v1/exporters", &exporters); err != nil {
			return err
		}
		sent := map[string]int64{}
		for _, a := range truth.Agents {
			sent[a.Agent] = a.DatagramsSent
		}
		for _, e := range exporters.Items {
			if got := e.LastHour.Datagrams + e.LastHour.DatagramsLost; got != sent[e.Name] {
				return fmt.Errorf("%s: %d counted and %d lost, %d sent", e.Name, e.LastHour.Datagrams, e.LastHour.DatagramsLost, sent[e.Name])
			}
		}
		return nil
	})
	t.Logf("%+v", exporters.Items)
}

// TestKillNineOfAllLosesNothing kills the whole platform half a second after the last datagram, ten times over on
// the same data: every counter is as the datagrams say, to the byte.
func TestKillNineOfAllLosesNothing(t *testing.T) {
	needParts(t)
	data := openDir(t)
	http := fmt.Sprintf("127.0.0.1:%d", freePort(t, "tcp"))
	sflow := fmt.Sprintf("127.0.0.1:%d", freePort(t, "udp"))
	up := startDaemon(t, "up", func() *exec.Cmd {
		return ezscale(t, nil, "up", "--data", data, "--http", http, "--sflow", sflow, "--netflow", "off")
	})
	in := &installation{api: remote{url: "http://" + http}}
	const rounds = 10
	sum := map[string]simulate.ServiceTruth{}
	for round := range rounds {
		eventually(t, time.Minute, "ready", func() error { return in.api.get("/health/ready", nil) })
		if round == 0 {
			in.api.token = tokenOf(t, data)
			manifest := output(t, ezscale(t, nil, "simulate", "switch", "--scenario", "testdata/company.yaml", "--manifest"))
			apply := ezscale(t, nil, "apply", "-f", "-", "--data", data)
			apply.Stdin = strings.NewReader(string(manifest))
			output(t, apply)
		}
		truth := play(t, "testdata/company.yaml", sflow, "--seed", strconv.Itoa(round+1), "--duration", "4s", "--loss", "0", "--speed", "4")
		time.Sleep(500 * time.Millisecond)
		up.kill(t)
		addTruth(sum, truth)
		up.start(t)
		eventually(t, time.Minute, "ready again", func() error { return in.api.get("/health/ready", nil) })
		eventually(t, 20*time.Second, fmt.Sprintf("books after kill %d", round+1), func() error {
			lines, err := in.usage(t)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(sum, withoutLoss(truths(lines))); diff != "" {
				return fmt.Errorf("the meter (+) differs from the truth (-):\n%s", diff)
			}
			return nil
		})
	}
}

func tokenOf(t *testing.T, data string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, runfile.APIFile))
	if err != nil {
		t.Fatal(err)
	}
	var address runfile.API
	if err := json.Unmarshal(text, &address); err != nil {
		t.Fatal(err)
	}
	return address.Token
}

// addTruth sums up what several runs of the switch sent.
func addTruth(sum map[string]simulate.ServiceTruth, truth simulate.Truth) {
	for _, s := range truth.Services {
		all := sum[s.Service]
		all.Service = s.Service
		all.BytesInL2 += s.BytesInL2
		all.BytesOutL2 += s.BytesOutL2
		all.BytesInL3 += s.BytesInL3
		all.BytesOutL3 += s.BytesOutL3
		all.PacketsIn += s.PacketsIn
		all.PacketsOut += s.PacketsOut
		all.Samples += s.Samples
		sum[s.Service] = all
	}
}

// withoutLoss leaves the loss out: a switch that starts anew each round says nothing about what came before.
func withoutLoss(all []simulate.ServiceTruth) map[string]simulate.ServiceTruth {
	named := map[string]simulate.ServiceTruth{}
	for _, s := range all {
		s.DatagramsLost = 0
		named[s.Service] = s
	}
	return named
}
