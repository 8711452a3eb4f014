package network

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/client"
)

// NewQuarantineCommand lists, releases and rejects samples that were set aside.
func NewQuarantineCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "quarantine", Short: "Samples that were set aside because their rate cannot be believed"}
	cmd.AddCommand(newQuarantineListCommand(), newQuarantineReleaseCommand(), newQuarantineRejectCommand())
	return cmd
}

// filter says which samples a command is about.
type filter struct {
	exporter, service, from, to string
	rate                        int64
}

func (f *filter) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.exporter, "exporter", "", "of this exporter")
	set.StringVar(&f.service, "service", "", "only of this service")
	set.StringVar(&f.from, "from", "", "first hour: 2026-01-01 or 2026-01-01T12:00:00Z")
	set.StringVar(&f.to, "to", "", "hour to stop before")
	set.Int64Var(&f.rate, "rate", 0, "only those that state this rate")
}

// group is what waits of one exporter, service and rate, as the API lists it. Lengths are unscaled.
type group struct {
	Exporter       string    `json:"exporter"`
	Service        string    `json:"service"`
	Rate           int64     `json:"rate"`
	Samples        int64     `json:"samples"`
	FrameLengthIn  int64     `json:"frame_length_in"`
	FrameLengthOut int64     `json:"frame_length_out"`
	FirstHour      time.Time `json:"first_hour"`
	LastHour       time.Time `json:"last_hour"`
}

func newQuarantineListCommand() *cobra.Command {
	var f filter
	cmd := &cobra.Command{Use: "list", Short: "What waits for a decision, by exporter, service and rate", Args: cobra.NoArgs}
	f.add(cmd)
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		groups, more, err := f.groups(cmd, platform)
		if err != nil {
			return err
		}
		if len(groups) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing waits for a decision")
			return nil
		}
		if err := printGroups(cmd.OutOrStdout(), groups); err != nil {
			return err
		}
		if more {
			fmt.Fprintln(cmd.OutOrStdout(), "and more; narrow the hours, or name an exporter")
		}
		return nil
	})
}

// groups reads the first page of what waits: one decision is about one line of it, or few.
func (f *filter) groups(cmd *cobra.Command, platform *client.Client) (groups []group, more bool, err error) {
	query, err := tools.HourRange(f.from, f.to)
	if err != nil {
		return nil, false, err
	}
	query.Set("limit", "500")
	for name, value := range map[string]string{"exporter": f.exporter, "service": f.service} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if cmd.Flags().Changed("rate") {
		query.Set("rate", strconv.FormatInt(f.rate, 10))
	}
	var page struct {
		Items []group `json:"items"`
		Next  string  `json:"next_cursor"`
	}
	if err := platform.Get(cmd.Context(), "/reports/quarantine-groups", query, &page); err != nil {
		return nil, false, tools.ByFlags(err)
	}
	return page.Items, page.Next != "", nil
}

func printGroups(out io.Writer, groups []group) error {
	return table(out, "EXPORTER\tSERVICE\tRATE\tSAMPLES\tIN (UNSCALED)\tOUT (UNSCALED)\tFIRST HOUR\tLAST HOUR", func(w io.Writer) {
		for _, g := range groups {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", g.Exporter, g.Service, g.Rate, g.Samples, bytesize.Format(g.FrameLengthIn), bytesize.Format(g.FrameLengthOut),
				g.FirstHour.UTC().Format("2006-01-02 15:04"), g.LastHour.UTC().Format("2006-01-02 15:04"))
		}
	})
}
