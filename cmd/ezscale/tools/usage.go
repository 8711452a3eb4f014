package tools

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/cmd/ezscale/when"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/client"
)

// namesPerRequest keeps the address of a request short.
const namesPerRequest = 50

// NewUsageCommand prints what was metered.
func NewUsageCommand() *cobra.Command {
	var flags clientFlags
	var from, to string
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "usage [NAME...] [--all]",
		Short: "What was metered for services, exactly",
		Long: "Prints what was metered for services, straight from the billing counters: exact, and current within seconds.\n" +
			"Usage is added up by the hour, so --from and --to are whole hours UTC; without them: everything metered.",
		Example: "  ezscale usage --all --json\n  ezscale usage svc-10.20.0.1 --from 2026-01-01 --to 2026-02-01",
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 && !all {
				return fmt.Errorf("name services, or say --all")
			}
			query, err := HourRange(from, to)
			if err != nil {
				return err
			}
			totals, err := usageOf(cmd, flags, names, query)
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.JSON(cmd.OutOrStdout(), totals)
			}
			return printTotals(cmd.OutOrStdout(), totals)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every service")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, one object per service, bytes as integers")
	cmd.Flags().StringVar(&from, "from", "", "first hour: 2026-01-01 or 2026-01-01T12:00:00Z")
	cmd.Flags().StringVar(&to, "to", "", "hour to stop before")
	return cmd
}

// HourRange reads two times for a request's from and to; empty ones are left out.
func HourRange(from, to string) (url.Values, error) {
	query := url.Values{}
	for _, bound := range []struct{ name, text string }{{"from", from}, {"to", to}} {
		if bound.text == "" {
			continue
		}
		t, err := when.Parse(bound.text)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", bound.name, err)
		}
		query.Set(bound.name, t.UTC().Format(time.RFC3339))
	}
	return query, nil
}

// usageOf asks for the named services in the order of their names, or for all.
func usageOf(cmd *cobra.Command, flags clientFlags, names []string, query url.Values) ([]client.UsageTotal, error) {
	platform, err := flags.connect()
	if err != nil {
		return nil, err
	}
	var some client.List[client.UsageTotal]
	if len(names) == 0 {
		err := platform.Get(cmd.Context(), "/usage", query, &some)
		return some.Items, ByFlags(err)
	}
	totals := []client.UsageTotal{}
	for len(names) > 0 {
		n := min(len(names), namesPerRequest)
		query["service"], names = names[:n], names[n:]
		some = client.List[client.UsageTotal]{}
		if err := platform.Get(cmd.Context(), "/usage", query, &some); err != nil {
			return nil, ByFlags(err)
		}
		totals = append(totals, some.Items...)
	}
	return totals, nil
}

func printTotals(out io.Writer, totals []client.UsageTotal) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "service\tin (L2)\tout (L2)\tin (L3)\tout (L3)\tpackets in\tpackets out\tsamples\terror ≤\tlost: datagrams\tsamples\trecords\tquarantined\t")
	for _, t := range totals {
		bound := "–"
		if t.ErrorBoundPercent != nil {
			bound = strconv.FormatFloat(*t.ErrorBoundPercent, 'f', 2, 64) + " %"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t\n", t.Service, bytesize.Format(t.BytesInL2), bytesize.Format(t.BytesOutL2),
			bytesize.Format(t.BytesInL3), bytesize.Format(t.BytesOutL3), t.PacketsIn, t.PacketsOut, t.Samples, bound, t.DatagramsLost, t.SamplesLost, t.RecordsLost, t.SamplesQuarantined)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}
