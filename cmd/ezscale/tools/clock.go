package tools

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/client"
)

// Bounds of waiting for cycles to close.
const (
	clockPoll  = 500 * time.Millisecond
	clockQuiet = 30 * time.Second // without a cycle closed: what is left waits for something else
)

func newTicker() *time.Ticker { return time.NewTicker(clockPoll) }

// NewClockCommand shows and advances the business clock.
func NewClockCommand() *cobra.Command {
	var flags clientFlags
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "Show or advance the business clock (development only)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			platform, err := flags.connect()
			if err != nil {
				return err
			}
			var state client.Clock
			if err := platform.Get(cmd.Context(), "/dev/clock", nil, &state); err != nil {
				return err
			}
			tellClock(cmd.OutOrStdout(), state)
			return nil
		},
	}
	flags.add(cmd)
	cmd.AddCommand(newClockAdvanceCommand())
	return cmd
}

func newClockAdvanceCommand() *cobra.Command {
	var flags clientFlags
	cmd := &cobra.Command{
		Use:     "advance SPAN",
		Short:   "Move the business clock forward, and close the cycles that are then due",
		Example: "  ezscale clock advance 31d",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			platform, err := flags.connect()
			if err != nil {
				return err
			}
			return advance(cmd.Context(), platform, args[0], cmd.OutOrStdout())
		},
	}
	flags.add(cmd)
	return cmd
}

func tellClock(out io.Writer, state client.Clock) {
	fmt.Fprintf(out, "now %s, %s ahead of the machine; %d cycles due\n", state.Now.Format(time.RFC3339), time.Duration(state.OffsetSeconds)*time.Second, state.DueCycles)
}

// advance moves the clock, waits until the due cycles are closed or no more of them close, and prints the invoices
// that came of it.
func advance(ctx context.Context, platform *client.Client, span string, out io.Writer) error {
	known, err := invoiceIDs(ctx, platform)
	if err != nil {
		return err
	}
	var state client.Clock
	if err := platform.Write(ctx, "POST", "/dev/clock", "", map[string]string{"advance": span}, &state); err != nil {
		return err
	}
	if err := waitForCycles(ctx, platform, &state); err != nil {
		return err
	}
	tellClock(out, state)
	invoices, err := client.All[client.Invoice](ctx, platform, "/invoices")
	if err != nil {
		return err
	}
	for i := len(invoices) - 1; i >= 0; i-- {
		if v := invoices[i]; !known[v.ID] {
			fmt.Fprintf(out, "%s  %s  %s  %s %s\n", v.Number, v.Customer.Email, v.Service.Name, v.Total.Amount, v.Total.Currency)
		}
	}
	if state.DueCycles > 0 {
		fmt.Fprintf(out, "%d cycles wait: usage of theirs may still be on its way; they close by themselves\n", state.DueCycles)
	}
	return nil
}

func invoiceIDs(ctx context.Context, platform *client.Client) (map[string]bool, error) {
	invoices, err := client.All[client.Invoice](ctx, platform, "/invoices")
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(invoices))
	for _, v := range invoices {
		known[v.ID] = true
	}
	return known, nil
}

// waitForCycles follows the number of due cycles down to 0, or to where it stays.
func waitForCycles(ctx context.Context, platform *client.Client, state *client.Clock) error {
	most, least, moved := state.DueCycles, state.DueCycles, time.Now()
	bar := closingBar(most)
	defer func() { _ = bar.Finish() }()
	return waitFor(ctx, func(ctx context.Context) (bool, error) {
		if err := platform.Get(ctx, "/dev/clock", nil, state); err != nil {
			return false, err
		}
		most = max(most, state.DueCycles)
		bar.ChangeMax(max(most, 1))
		_ = bar.Set(most - state.DueCycles)
		if state.DueCycles < least {
			least, moved = state.DueCycles, time.Now()
		}
		return state.DueCycles == 0 || time.Since(moved) > clockQuiet, nil
	})
}

func closingBar(cycles int) *progressbar.ProgressBar {
	if !terminal.Is(os.Stderr) {
		return progressbar.DefaultSilent(int64(max(cycles, 1)))
	}
	return progressbar.NewOptions(max(cycles, 1), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("closing cycles"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
}
