// Package secret keeps the passwords that the embedded servers and their clients share: made at random on the
// first start, in a file for its owner alone.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const secretBytes = 24

// Ensure reads the password in the file, or makes one. own, which may be nil, gives the new file to whoever
// must read it besides us. The file comes to its name complete.
func Ensure(path string, own func(path string) error) (string, error) {
	found, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(found)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // never fails
	password := base64.RawURLEncoding.EncodeToString(raw)
	if err := write(path, password, own); err != nil {
		return "", fmt.Errorf("write the password: %w", err)
	}
	return password, nil
}

func write(path, password string, own func(path string) error) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if own != nil {
		if err := own(temporary); err != nil {
			return err
		}
	}
	return os.Rename(temporary, path)
}
