package maven

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestJarsAreChecked(t *testing.T) {
	t.Parallel()
	const right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jar"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list string
		want error
	}{
		"right":   {right + "  a.jar\n", nil},
		"wrong":   {right[1:] + "0  a.jar\n", ErrChecksum},
		"unasked": {"", ErrChecksum},
		"missing": {right + "  a.jar\n" + right + "  b.jar\n", fs.ErrNotExist},
	} {
		if err := check(dir, c.list); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
