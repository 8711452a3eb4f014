package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asMain makes the test binary behave as ezscale, so that tests start, kill and restart real processes.
const asMain = "EZSCALE_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	embeddedChild := len(os.Args) > 1 && os.Args[1] == "embedded" // started with an environment of its own
	if os.Getenv(asMain) != "" || embeddedChild {
		main()
		return
	}
	os.Exit(m.Run())
}

// ezscale prepares a run of the program.
func ezscale(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, args...)
	command.Env = append(append(os.Environ(), asMain+"=1"), env...)
	return command
}

// output runs the program to its end and gives what it printed.
func output(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("ezscale %s: %v\n%s%s", strings.Join(command.Args[1:], " "), err, out, stderr.String())
	}
	return out
}

// daemon is a process of the platform that a test may kill.
type daemon struct {
	name    string
	make    func() *exec.Cmd
	command *exec.Cmd
	log     *os.File
	ended   chan struct{}
}

func startDaemon(t *testing.T, name string, make func() *exec.Cmd) *daemon {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{name: name, make: make, log: log}
	d.start(t)
	t.Cleanup(func() {
		d.kill(t)
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("last words of %s:\n%s", name, text[max(0, len(text)-4000):])
		}
		log.Close()
	})
	return d
}

func (d *daemon) start(t *testing.T) {
	t.Helper()
	d.command = d.make()
	d.command.Stdout, d.command.Stderr = d.log, d.log
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	d.ended = make(chan struct{})
	go func(c *exec.Cmd, ended chan struct{}) {
		_ = c.Wait() // killed on purpose
		close(ended)
	}(d.command, d.ended)
}

// kill -9s the process group and waits until the process is gone.
func (d *daemon) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-d.command.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill %s: %v", d.name, err)
	}
	<-d.ended
}

func (d *daemon) alive() bool {
	select {
	case <-d.ended:
		return false
	default:
		return true
	}
}

// children are the processes whose parent is pid and whose command line holds the text.
func children(t *testing.T, pid int, text string) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), text) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			found = append(found, child)
		}
	}
	return found
}

// freePort finds a port that nobody uses at the moment.
func freePort(t *testing.T, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually polls until the condition holds; it gives the reason of the last failure.
func eventually(t *testing.T, bound time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// remote is an API under test.
type remote struct{ url, token string }

func (r remote) get(path string, answer any) error {
	return r.call(http.MethodGet, path, nil, answer)
}

func (r remote) call(method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// needParts skips a test of the whole platform on a machine where the embedded servers have not been fetched.
func needParts(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the whole platform takes half a minute")
	}
	if os.Getenv("EZSCALE_TEST_POSTGRES") == "" && os.Getenv("CI") != "true" {
		t.Skip(`run "make test", or under "ezscale servers -- go test ./cmd/ezscale"`)
	}
}
