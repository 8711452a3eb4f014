package devmail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// stored is a message and the file that holds it.
type stored struct {
	Message
	file string // empty: memory only
}

const timeLayout = "20060102T150405.000000000Z" // sorts as the times do

// keep parses, files and remembers a message, and lets go of the oldest beyond the bound.
func (m *Mailbox) keep(channel string, to []string, raw []byte) error {
	message, err := parse(channel, raw)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("draw an id: %w", err)
	}
	message.ID, message.ReceivedAt = id, m.now().UTC()
	if len(message.To) == 0 {
		message.To = to
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	one := stored{Message: message}
	if m.cfg.Dir != "" {
		one.file = filepath.Join(m.cfg.Dir, fileName(message))
		if err := os.WriteFile(one.file, raw, 0o600); err != nil {
			return fmt.Errorf("file a message: %w", err)
		}
	}
	m.kept = append(m.kept, one)
	return m.trim()
}

func fileName(m Message) string {
	extension := ".eml"
	if m.Channel == "discord" {
		extension = ".json"
	}
	return m.ReceivedAt.Format(timeLayout) + "_" + m.ID.String() + extension
}

// trim drops the oldest messages beyond the bound. The caller holds the lock, or is alone.
func (m *Mailbox) trim() error {
	var errs error
	for len(m.kept) > m.cfg.Keep {
		if file := m.kept[0].file; file != "" {
			if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = errors.Join(errs, fmt.Errorf("drop an old message: %w", err))
			}
		}
		m.kept = slices.Delete(m.kept, 0, 1)
	}
	return errs
}

// load reads the messages that earlier runs filed. A file that is none of ours, or damaged, is left alone.
func (m *Mailbox) load() error {
	if m.cfg.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(m.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make the mailbox's folder: %w", err)
	}
	entries, err := os.ReadDir(m.cfg.Dir) // sorted by name, so by time
	if err != nil {
		return fmt.Errorf("read the mailbox's folder: %w", err)
	}
	m.kept = nil
	for _, entry := range entries {
		if one, ok := m.loadOne(entry.Name()); ok {
			m.kept = append(m.kept, one)
		}
	}
	return m.trim()
}

func (m *Mailbox) loadOne(name string) (stored, bool) {
	extension := filepath.Ext(name)
	at, id, ok := strings.Cut(strings.TrimSuffix(name, extension), "_")
	received, timeErr := time.Parse(timeLayout, at)
	parsed, idErr := uuid.Parse(id)
	channel := map[string]string{".eml": "mail", ".json": "discord"}[extension]
	if !ok || timeErr != nil || idErr != nil || channel == "" {
		return stored{}, false
	}
	file := filepath.Join(m.cfg.Dir, name)
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) > maxMessageBytes {
		return stored{}, false
	}
	message, err := parse(channel, raw)
	if err != nil {
		m.log.Warn("a filed message is not readable", "file", name, "error", err)
		return stored{}, false
	}
	message.ID, message.ReceivedAt = parsed, received
	return stored{Message: message, file: file}, true
}
