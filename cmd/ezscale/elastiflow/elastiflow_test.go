package elastiflow

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/replay/elastiflow"
)

func now() time.Time { return time.Date(2026, 5, 3, 10, 0, 30, 0, time.UTC) }

func TestFlags(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args     []string
		from, to string
		want     string // part of the error; empty: none
	}{
		"dates":              {[]string{"--from", "2026-05-01", "--to", "2026-05-02", "--password-file", secret}, "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z", ""},
		"times in zones":     {[]string{"--from", "2026-05-01T02:00:00+02:00", "--to", "2026-05-01T01:00:00Z"}, "2026-05-01T00:00:00Z", "2026-05-01T01:00:00Z", ""},
		"follow from now":    {[]string{"--follow"}, "2026-05-03T09:58:00Z", "0001-01-01T00:00:00Z", ""},
		"follow with an end": {[]string{"--follow", "--to", "2026-05-02"}, "", "", "leave out --to"},
		"no end":             {[]string{"--from", "2026-05-01"}, "", "", "--from and --to"},
		"neither":            {nil, "", "", "--from and --to"},
		"no time":            {[]string{"--from", "yesterday", "--to", "2026-05-02"}, "", "", "yesterday"},
		"no such file":       {[]string{"--follow", "--password-file", secret + "x"}, "", "", "--password-file"},
		"no such authority":  {[]string{"--follow", "--ca-file", secret + "x"}, "", "", "--ca-file"},
	} {
		var o options
		cmd := NewCommand()
		cmd.ResetFlags()
		o.bind(cmd)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		cfg, source, err := o.config(now())
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
			continue
		}
		if err != nil || cfg.From.Format(time.RFC3339) != c.from || cfg.To.Format(time.RFC3339) != c.to {
			t.Errorf("%s: %s to %s, %v", name, cfg.From, cfg.To, err)
		}
		if name == "dates" && source.Password != "s3cret" {
			t.Errorf("password %q", source.Password)
		}
	}
}

func TestLinesWhereNobodyWatches(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	at := now()
	p := &progress{out: &out, now: func() time.Time { return at }, begun: at}
	s := elastiflow.Progress{From: at.Truncate(time.Hour), To: at.Truncate(time.Hour).Add(time.Hour), Next: at.Truncate(time.Hour).Add(10 * time.Minute)}
	p.show(s)
	if out.Len() > 0 {
		t.Errorf("said at once: %s", &out)
	}
	at, s.Next, s.Counts.Found, s.Counts.Counted = at.Add(20*time.Second), s.Next.Add(10*time.Minute), 2000, 1990
	s.Counts.Kept = map[string]int64{"x": 10}
	p.show(s)
	p.show(s)
	const want = "read up to 2026-05-03T10:20:00Z: 2000 documents, 1990 counted, 10 kept back, 100 documents/s, 33.3 %, about 1m20s left\n"
	if got := out.String(); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	s.To = time.Time{}
	if got := p.line(s, at); strings.Contains(got, "left") {
		t.Errorf("a follower has no end: %s", got)
	}
}
