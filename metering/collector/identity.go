package collector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
)

const identityFile = "collector.json"

// identity names this collector as a producer. ID stays over restarts; Boot never repeats, even when the clock steps back.
type identity struct {
	ID   uuid.UUID `json:"id"`
	Boot int64     `json:"boot"` // Unix nanoseconds
}

// openIdentity reads the identity kept in dir and starts a new boot of it. Without a dir the identity is new each time.
func openIdentity(dir string, now time.Time) (identity, error) {
	if dir == "" {
		return identity{ID: uuid.New(), Boot: now.UnixNano()}, nil
	}
	path := filepath.Join(dir, identityFile)
	self := identity{ID: uuid.New()}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return identity{}, fmt.Errorf("read collector's identity: %w", err)
	default:
		if err := json.Unmarshal(text, &self); err != nil {
			return identity{}, fmt.Errorf("read collector's identity in %s: %w", path, err)
		}
	}
	self.Boot = max(now.UnixNano(), self.Boot+1)
	text, err = json.Marshal(self)
	if err != nil {
		return identity{}, fmt.Errorf("encode collector's identity: %w", err)
	}
	return self, replaceFile(path, text)
}

// replaceFile writes a file so that a crash leaves the old or the new one, whole.
func replaceFile(path string, content []byte) error {
	next := path + ".next"
	if err := writeSynced(next, content); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
