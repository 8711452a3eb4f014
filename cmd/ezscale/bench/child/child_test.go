package child

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " S 1 77 77 0 -1 4194560 1 2 3 4 250 150 0 0 20 0 5 0 100 12345 300 18446744073709551615"
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"plain":    {"42 (ezscale)" + rest, true},
		"brackets": {"42 (a) b (c)" + rest, true},
		"short":    {"42 (ezscale) S 1 77", false},
		"nonsense": {"42 (ezscale) S 1 x 77 0 -1 4194560 1 2 3 4 250 150 0 0 20 0 5 0 100 12345 300", false},
		"empty":    {"", false},
	} {
		group, usage, ok := parseStat(c.text)
		if ok != c.ok {
			t.Errorf("%s: %v", name, ok)
		}
		if ok && (group != 77 || usage.CPU != 4*time.Second) {
			t.Errorf("%s: group %d, %+v", name, group, usage)
		}
	}
}

func TestParseStatm(t *testing.T) {
	t.Parallel()
	page := int64(os.Getpagesize())
	if private, shared := parseStatm("5000 300 100 40 0 900 0\n"); private != 200*page || shared != 100*page {
		t.Errorf("%d private, %d shared", private, shared)
	}
	if private, shared := parseStatm("5000 x"); private != 0 || shared != 0 {
		t.Errorf("%d private, %d shared of nonsense", private, shared)
	}
}

// A child that burns processor time shows it, one of its own children included, and both are gone after Stop.
func TestUsageIsTheGroups(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	p, err := Start("spinner", nil, shell, "-c", "(while :; do :; done) & echo started; while :; do :; done")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(p.Out).ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		usage, err := p.Usage()
		if err != nil {
			t.Fatal(err)
		}
		if usage.CPU >= 100*time.Millisecond && usage.Private > 0 && usage.Shared > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v after a minute", usage)
		}
	}
	group := p.command.Process.Pid
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, err := members(group)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d processes are left", len(left))
		}
	}
	if err := p.Running(); err == nil {
		t.Error("it is said to run")
	}
}

func TestLastWordsAreTold(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	p, err := Start("talker", []string{"WORDS=no such thing"}, shell, "-c", `echo "$WORDS" >&2; exit 3`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Wait(ctx); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("waited: %v", err)
	}
	if err := p.Running(); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("running: %v", err)
	}
	p.Kill()
	if _, err := Start("nobody", nil, "/nonexistent/program"); err == nil {
		t.Error("a program that is not there was started")
	}
}

func TestTailIsBounded(t *testing.T) {
	t.Parallel()
	var words tail
	for range 100 {
		if _, err := words.Write([]byte(strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(words.String()); n != lastWords {
		t.Errorf("%d bytes are kept", n)
	}
}
