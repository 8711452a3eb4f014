package auditlog

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/internal/config"
)

// keyFile is where the key is below the data directory, unless EZSCALE_AUDIT_KEY names another.
const keyFile = "secrets/audit-key.pem"

const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// SigningKey is the key that signs the audit log's heads. The one in the data directory is made when it is missing,
// readable by its owner alone; one that EZSCALE_AUDIT_KEY names must be there.
func SigningKey(cfg config.Config) (ed25519.PrivateKey, error) {
	key, err := existingKey(cfg)
	if key != nil || err != nil {
		return key, err
	}
	if err := makeKey(filepath.Join(cfg.DataDir, keyFile)); err != nil {
		return nil, err
	}
	return existingKey(cfg)
}

// existingKey is the key; nil: the data directory has none.
func existingKey(cfg config.Config) (ed25519.PrivateKey, error) {
	if cfg.AuditKey != "" {
		return readKey(cfg.AuditKey)
	}
	key, err := readKey(filepath.Join(cfg.DataDir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return key, err
}

func readKey(path string) (ed25519.PrivateKey, error) {
	block, err := readBlock(path, privateBlock)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("read the audit key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read the audit key %s: it is not an Ed25519 key", path)
	}
	return key, nil
}

// readPublicKey reads a public key, or the public half of a private one.
func readPublicKey(path string) (ed25519.PublicKey, error) {
	if key, err := readKey(path); err == nil {
		return key.Public().(ed25519.PublicKey), nil
	}
	block, err := readBlock(path, publicBlock)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(block)
	if err != nil {
		return nil, fmt.Errorf("read the public key %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read the public key %s: it is not an Ed25519 key", path)
	}
	return key, nil
}

func readBlock(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("read a key: %s holds no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

// makeKey makes a key that is whole as soon as it is there, and leaves one that another process made meanwhile.
func makeKey(path string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("make the audit key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the audit key: %w", err)
	}
	return runfile.MakeOnce(path, pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: der}))
}

func publicPEM(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("write the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: der}), nil
}
