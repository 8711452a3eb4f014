package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/observe"
)

// `ezscale up` leaves two files below DATA/run, for its owner's eyes only: api.json says where the API is and with
// which token, servers.json where the embedded servers are. Command-line tools find everything there.
const (
	apiFile     = "run/api.json"
	serversFile = "run/servers.json"
	tokenFile   = "secrets/operator-token"
	tokenBytes  = 32
)

type apiAddress struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

type serverAddresses struct {
	Postgres   string   `json:"postgres"`
	Kafka      []string `json:"kafka"`
	ClickHouse string   `json:"clickhouse"`
}

func writePrivate(path string, content any) error {
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

// operatorToken is the token of a data directory, made once.
func operatorToken(data string) (string, error) {
	path := filepath.Join(data, tokenFile)
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

// operatorConfig is for tools that work on the servers themselves: the environment if it names them, else those
// of `ezscale up` on a data directory.
func operatorConfig(cmd *cobra.Command) (config.Config, *slog.Logger, error) {
	cfg, err := config.Load(os.Getenv)
	if err != nil {
		return cfg, nil, err
	}
	log, err := observe.NewLogger(os.Stderr, "warn", "text")
	if err != nil || cfg.Postgres != "" {
		return cfg, log, errors.Join(err, cfg.Require("EZSCALE_POSTGRES", "EZSCALE_KAFKA", "EZSCALE_CLICKHOUSE"))
	}
	data, err := cmd.Flags().GetString("data")
	if err != nil {
		return cfg, nil, fmt.Errorf("read --data: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(data, serversFile))
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil, fmt.Errorf("no platform has run on %s: give the --data of `ezscale up`, or set EZSCALE_POSTGRES, EZSCALE_KAFKA and EZSCALE_CLICKHOUSE", data)
	}
	var servers serverAddresses
	if err == nil {
		err = json.Unmarshal(text, &servers)
	}
	if err != nil {
		return cfg, nil, fmt.Errorf("read %s: %w", serversFile, err)
	}
	cfg.Postgres, cfg.Query, cfg.Kafka, cfg.ClickHouse = servers.Postgres, servers.Postgres, servers.Kafka, servers.ClickHouse
	return cfg, log, nil
}

func addDataFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().String("data", "./var", "data directory of `ezscale up`; the environment's servers go first")
}
