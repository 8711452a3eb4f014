package tools

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/config"
)

// NewSettingsCommand lists the environment variables.
func NewSettingsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "settings",
		Short: "List the environment variables that configure the roles",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(out, "NAME\tDEFAULT\tMEANING")
			for _, s := range config.Describe() {
				fmt.Fprintf(out, "%s\t%s\t%s\n", s.Name, s.Default, s.Meaning)
			}
			return out.Flush()
		},
	}
}
