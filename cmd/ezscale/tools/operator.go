package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/observe"
)

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
	text, err := os.ReadFile(filepath.Join(data, runfile.ServersFile))
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil, fmt.Errorf("no platform has run on %s: give the --data of `ezscale up`, or set EZSCALE_POSTGRES, EZSCALE_KAFKA and EZSCALE_CLICKHOUSE", data)
	}
	var servers runfile.Servers
	if err == nil {
		err = json.Unmarshal(text, &servers)
	}
	if err != nil {
		return cfg, nil, fmt.Errorf("read %s: %w", runfile.ServersFile, err)
	}
	cfg.Postgres, cfg.Query, cfg.Kafka, cfg.ClickHouse = servers.Postgres, servers.Postgres, servers.Kafka, servers.ClickHouse
	return cfg, log, nil
}

func addDataFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().String("data", "./var", "data directory of \"ezscale up\"; the environment's servers go first")
}
