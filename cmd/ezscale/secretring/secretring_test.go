package secretring

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func current(t *testing.T, cfg config.Config, db *postgrestest.DB) (vault.Opened, error) {
	t.Helper()
	keks, err := KEKs(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return vault.Current(t.Context(), db.Pool(postgres.RoleCommand), keks)
}

// However many processes start at once on a data directory, there is one key and one ring, which it opens.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	cfg := config.Config{DataDir: t.TempDir(), Postgres: db.DSN()}
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if err := Ensure(context.Background(), cfg, true, quiet()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	ring, err := current(t, cfg, db)
	if err != nil || ring.Version != 1 {
		t.Fatalf("version %d, %v", ring.Version, err)
	}
	path := filepath.Join(cfg.DataDir, keyFile)
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%v beside the key (%v)", files, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Ensure(t.Context(), cfg, true, quiet()); err != nil {
		t.Error("again:", err)
	}
	// The key is lost: another one is not made in its place.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(t.Context(), cfg, true, quiet()); err != nil {
		t.Error("with a lost key:", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("another key was made")
	}
	if _, err := current(t, cfg, db); !errors.Is(err, vault.ErrNoKEK) {
		t.Errorf("with a lost key: %v", err)
	}
}

// Where nobody says that the data directory lasts, no key is made; one that is named must be there.
func TestNoKeyIsInvented(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	cfg := config.Config{DataDir: t.TempDir(), Postgres: db.DSN()}
	if err := Ensure(t.Context(), cfg, false, quiet()); err != nil {
		t.Error(err)
	}
	if _, err := current(t, cfg, db); !errors.Is(err, vault.ErrNoRing) {
		t.Errorf("there is a ring: %v", err)
	}
	cfg.SecretKey = "file:" + filepath.Join(cfg.DataDir, "key")
	for _, invent := range []bool{true, false} {
		if err := Ensure(t.Context(), cfg, invent, quiet()); err == nil || !strings.Contains(err.Error(), cfg.SecretKey) {
			t.Errorf("named, and not there: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "key"), []byte(keyring.GenerateKEK().Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Ensure(t.Context(), cfg, false, quiet()); err != nil {
		t.Error(err)
	}
	if ring, err := current(t, cfg, db); err != nil || ring.KEK != cfg.SecretKey {
		t.Errorf("wrapped by %q, %v", ring.KEK, err)
	}
}

// Wrong input ends with code 2 and a sentence.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"promote":                 "name one key of the ring; `ezscale secrets status` lists them; usage: ezscale secrets promote KEY [flags]",
		"promote xyz":             `"xyz" is not the id of a key, which has eight hexadecimal digits, as in 1a2b3c4d`,
		"remove-key 1a2b3c4":      "eight hexadecimal digits",
		"remove-key 1a2b3c4d5":    "eight hexadecimal digits",
		"promote 1a2b3c4d 1a2b3c": "name one key",
		"renew everything":        `"everything" is one argument too many; usage: ezscale secrets renew [flags]`,
		"status --yaml":           "unknown flag: --yaml",
	} {
		root := &cobra.Command{Use: "ezscale", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(NewCommand())
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append([]string{"secrets"}, strings.Fields(args)...))
		var exit tools.ExitError
		if err := tools.Strict(root).Execute(); !errors.As(err, &exit) || exit.Code != exitMisuse || !strings.Contains(out.String(), want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %v\n%s", args, err, out.String())
		}
	}
}
