package tools

import "github.com/spf13/cobra"

// NewReplayCommand replays what another system has seen.
func NewReplayCommand(kinds ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: "replay", Short: "Meter what was seen elsewhere: a capture file"}
	cmd.AddCommand(kinds...)
	return cmd
}
