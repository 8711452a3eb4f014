package network

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
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
		query, err := tools.HourRange(f.from, f.to)
		if err != nil {
			return err
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
		return listGroups(cmd, platform, query)
	})
}

// listGroups prints the first page: one decision is about one line of it.
func listGroups(cmd *cobra.Command, platform *client.Client, query url.Values) error {
	var page struct {
		Items []group `json:"items"`
		Next  string  `json:"next_cursor"`
	}
	if err := platform.Get(cmd.Context(), "/reports/quarantine-groups", query, &page); err != nil {
		return tools.ByFlags(err)
	}
	out := cmd.OutOrStdout()
	if len(page.Items) == 0 {
		fmt.Fprintln(out, "nothing waits for a decision")
		return nil
	}
	err := table(out, "EXPORTER\tSERVICE\tRATE\tSAMPLES\tIN (UNSCALED)\tOUT (UNSCALED)\tFIRST HOUR\tLAST HOUR", func(w io.Writer) {
		for _, g := range page.Items {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", g.Exporter, g.Service, g.Rate, g.Samples, bytesize.Format(g.FrameLengthIn), bytesize.Format(g.FrameLengthOut),
				g.FirstHour.UTC().Format("2006-01-02 15:04"), g.LastHour.UTC().Format("2006-01-02 15:04"))
		}
	})
	if page.Next != "" {
		fmt.Fprintln(out, "and more; narrow the hours, or name an exporter")
	}
	return err
}

// decision is the body of an order about samples.
type decision struct {
	Exporter  string `json:"exporter"`
	From      string `json:"from"`
	To        string `json:"to"`
	Service   string `json:"service,omitempty"`
	Rate      *int64 `json:"rate,omitempty"`
	RateGiven int64  `json:"rate_given,omitempty"`
	Reason    string `json:"reason"`
}

// decision reads the flags. All of exporter, from and to must be given: it is about money.
func (f *filter) decision(cmd *cobra.Command, reason string) (decision, error) {
	hours, err := tools.HourRange(f.from, f.to)
	if err != nil {
		return decision{}, err
	}
	d := decision{Exporter: f.exporter, From: hours.Get("from"), To: hours.Get("to"), Service: f.service, Reason: reason}
	if cmd.Flags().Changed("rate") {
		d.Rate = &f.rate
	}
	return d, nil
}

// require marks flags that exist.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		_ = cmd.MarkFlagRequired(name)
	}
}

func newQuarantineReleaseCommand() *cobra.Command {
	var f filter
	var given int64
	var reason string
	cmd := &cobra.Command{
		Use: "release", Short: "Give samples the rate that they were taken at: they become usage", Args: cobra.NoArgs,
		Example: "  ezscale quarantine release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason \"ticket 4711\"",
	}
	f.add(cmd)
	cmd.Flags().Int64Var(&given, "rate-given", 0, "the rate that is true")
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the decision")
	require(cmd, "exporter", "from", "to", "rate-given", "reason")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		order, err := f.decision(cmd, reason)
		if err != nil {
			return err
		}
		if order.RateGiven = given; given < 1 || given > math.MaxUint32 {
			return fmt.Errorf("--rate-given: %d is no sampling rate: 1 to %d", given, uint32(math.MaxUint32))
		}
		var done struct {
			Rows       int   `json:"rows"`
			Samples    int64 `json:"samples"`
			BytesInL2  int64 `json:"bytes_in_l2"`
			BytesOutL2 int64 `json:"bytes_out_l2"`
		}
		if err := platform.Write(cmd.Context(), http.MethodPost, "/quarantine/release", "", order, &done); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "released %d samples of %d rows: %s in, %s out (L2); a meter adds them within seconds\n",
			done.Samples, done.Rows, bytesize.Format(done.BytesInL2), bytesize.Format(done.BytesOutL2))
		return nil
	})
}

func newQuarantineRejectCommand() *cobra.Command {
	var f filter
	var reason string
	cmd := &cobra.Command{
		Use: "reject", Short: "Say that samples never become usage", Args: cobra.NoArgs,
		Example: "  ezscale quarantine reject --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --reason \"a test of ours\"",
	}
	f.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the decision")
	require(cmd, "exporter", "from", "to", "reason")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		order, err := f.decision(cmd, reason)
		if err != nil {
			return err
		}
		var done struct {
			Rows    int   `json:"rows"`
			Samples int64 `json:"samples"`
		}
		if err := platform.Write(cmd.Context(), http.MethodPost, "/quarantine/reject", "", order, &done); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "rejected %d samples of %d rows\n", done.Samples, done.Rows)
		return nil
	})
}
