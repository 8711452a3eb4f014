package tools

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/when"
)

// NewMoveCommand moves a prefix from service to service.
func NewMoveCommand() *cobra.Command {
	var flags clientFlags
	var from, to, at string
	var corrects bool
	cmd := &cobra.Command{
		Use:   "move PREFIX --from SERVICE --to SERVICE",
		Short: "Give a service's prefix to another service",
		Long: `Gives a prefix to another service at one instant: now, or --at. More than five minutes back it is refused when usage was
counted since, because that is not taken back by itself. --corrects says that it was wrong from the beginning: the prefix moves, and
"ezscale meter remeter" meters the time since anew.`,
		Example: "  ezscale move 192.0.2.1/32 --from vps-1 --to vps-2\n  ezscale move 192.0.2.1/32 --from vps-1 --to vps-2 --at 2026-11-24T00:00:00Z --corrects",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"prefix": args[0], "from_service": from, "to_service": to, "corrects": corrects}
			if at != "" {
				t, err := when.Parse(at)
				if err != nil {
					return fmt.Errorf("--at: %w", err)
				}
				body["at"] = t
			}
			platform, err := flags.connect()
			if err != nil {
				return err
			}
			var moved struct{ From time.Time }
			if err := platform.Write(cmd.Context(), "POST", "/prefix-moves", "", body, &moved); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s belongs to %s from %s on\n", args[0], to, moved.From.Format(time.RFC3339))
			if corrects {
				fmt.Fprintf(cmd.OutOrStdout(), "now meter that time anew; without --apply you see what that changes:\n  ezscale meter remeter --from %s --to %s --service %s --service %s\n",
					moved.From.UTC().Truncate(time.Hour).Format(when.Hour), time.Now().UTC().Truncate(time.Hour).Format(when.Hour), from, to)
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&from, "from", "", "service that has it, name or id")
	cmd.Flags().StringVar(&to, "to", "", "service that gets it, name or id")
	cmd.Flags().StringVar(&at, "at", "", "when: 2026-11-24 or 2026-11-24T12:00:00Z; default now")
	cmd.Flags().BoolVar(&corrects, "corrects", false, "the past was written down wrong; allow a time long ago")
	_ = cmd.MarkFlagRequired("from") // the flags exist
	_ = cmd.MarkFlagRequired("to")
	return cmd
}
