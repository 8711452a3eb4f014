// Package runfile is what a running `ezscale up` leaves for the command line, for its owner's eyes only: run/api.json
// says where the API is and with which token, run/servers.json where the embedded servers are.
package runfile

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Where the files are below the data directory.
const (
	APIFile     = "run/api.json"
	ServersFile = "run/servers.json"
	TokenFile   = "secrets/operator-token"
	tokenBytes  = 32
)

// API is where the API is, and the operator's token.
type API struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// Servers are the addresses of the embedded servers, passwords included.
type Servers struct {
	Postgres   string   `json:"postgres"`
	Kafka      []string `json:"kafka"`
	ClickHouse string   `json:"clickhouse"`
}

// Write puts content, as JSON, in place in one step, readable by its owner alone.
func Write(path string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("put %s in place: %w", filepath.Base(path), err)
	}
	return nil
}

// MakeOnce puts a secret in place, whole as soon as it is there and readable by its owner alone, unless something is there:
// of several processes at once one does.
func MakeOnce(path string, content []byte) error {
	name := filepath.Base(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the secrets directory: %w", err)
	}
	next, err := os.CreateTemp(filepath.Dir(path), "."+name+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(next.Name())
	_, err = next.Write(content)
	if err := errors.Join(err, next.Sync(), next.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Link(next.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("put %s in place: %w", name, err)
	}
	return nil
}

// Token is the token of a data directory, made once.
func Token(data string) (string, error) {
	path := filepath.Join(data, TokenFile)
	text, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the operator token: %w", err)
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // never fails
	token := "ezs_" + hex.EncodeToString(random)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the secrets directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write the operator token: %w", err)
	}
	return token, nil
}
