package tools

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/internal/config"
)

func operatorConfig(cmd *cobra.Command) (config.Config, *slog.Logger, error) {
	return operator.Config(cmd)
}

func addDataFlag(cmd *cobra.Command) { operator.AddDataFlag(cmd) }
