package auditlog

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/internal/config"
)

// However many start at once, one key is made, whole, for its owner's eyes only.
func TestTheKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	cfg := config.Config{DataDir: t.TempDir()}
	if key, err := existingKey(cfg); key != nil || err != nil {
		t.Fatalf("%v, %v", key, err)
	}
	var group sync.WaitGroup
	keys := make([]ed25519.PrivateKey, 8)
	for i := range keys {
		group.Go(func() {
			var err error
			if keys[i], err = SigningKey(cfg); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, key := range keys {
		if !key.Equal(keys[0]) {
			t.Error("two keys")
		}
	}
	path := filepath.Join(cfg.DataDir, keyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%v beside the key (%v)", files, err)
	}
	if named, err := SigningKey(config.Config{AuditKey: path}); err != nil || !named.Equal(keys[0]) {
		t.Errorf("by its name: %v", err)
	}
	if _, err := SigningKey(config.Config{AuditKey: path + ".not"}); err == nil {
		t.Error("a key that is named is not made")
	}
}

func TestPublicKeysAreRead(t *testing.T) {
	t.Parallel()
	cfg := config.Config{DataDir: t.TempDir()}
	key, err := SigningKey(cfg)
	if err != nil {
		t.Fatal(err)
	}
	text, err := publicPEM(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	public, broken := filepath.Join(t.TempDir(), "audit.pub"), filepath.Join(t.TempDir(), "broken")
	for path, content := range map[string]string{public: string(text), broken: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{public, filepath.Join(cfg.DataDir, keyFile)} {
		if got, err := readPublicKey(path); err != nil || !got.Equal(key.Public()) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{broken, public + ".not"} {
		if _, err := readPublicKey(path); err == nil {
			t.Errorf("%s is a key", path)
		}
	}
}

// Whose signatures count: keys that were given; else those of the heads, and this machine's.
func TestWhoseSignaturesCount(t *testing.T) {
	t.Parallel()
	cfg := config.Config{DataDir: t.TempDir()}
	if o, err := (&verifyFlags{}).options(cfg); err != nil || len(o.Keys) != 0 {
		t.Errorf("without anything: %v, %v", o.Keys, err)
	}
	own, err := SigningKey(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ := ed25519.GenerateKey(nil)
	lines := ""
	for i := range int64(2) {
		text, err := audit.Sign(other, i+1, audit.Hash{}, time.Unix(1, 0)).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		lines += string(text) + "\n\n"
	}
	heads := filepath.Join(t.TempDir(), "heads.jsonl")
	if err := os.WriteFile(heads, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := (&verifyFlags{heads: heads}).options(cfg)
	if err != nil || len(o.Heads) != 2 || len(o.Keys) != 2 || !o.Keys[0].Equal(other.Public()) || !o.Keys[1].Equal(own.Public()) {
		t.Errorf("%d heads, keys %v, %v", len(o.Heads), o.Keys, err)
	}
	o, err = (&verifyFlags{heads: heads, keys: []string{filepath.Join(cfg.DataDir, keyFile)}}).options(cfg)
	if err != nil || len(o.Keys) != 1 || !o.Keys[0].Equal(own.Public()) {
		t.Errorf("keys %v, %v", o.Keys, err)
	}
	for _, content := range []string{"", "{}\n", lines + "nonsense\n"} {
		if err := os.WriteFile(heads, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readHeads(heads); err == nil {
			t.Errorf("%q holds heads", content)
		}
	}
}

func TestReportsAreSaid(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printReport(&out, audit.Report{Rows: 8, Finding: &audit.Finding{Kind: audit.Changed, Sequence: 9, Row: 12, Detail: "row 12 is not what was sealed"}})
	printReport(&out, audit.Report{Intact: true, Rows: 8, Heads: 2, Unsealed: 1, Erased: 3})
	for _, want := range []string{"BROKEN (changed): row 12 is not what was sealed\n", "before number 9 are", "intact: 8 rows, 2 signed heads (0 of them", "of 3 rows were erased", "1 rows are not sealed", "no key was given", "no heads from elsewhere"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
