package stack

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/observe"
)

// NewChildCommand is the life of a child of `ezscale up`; people never call it.
func NewChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "embedded PART",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := observe.NewLogger(os.Stderr, "info", "text")
			if err != nil {
				return err
			}
			return embedded.RunChild(cmd.Context(), args[0], os.Stdin, log)
		},
	}
}
