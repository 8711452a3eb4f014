package network

import (
	"fmt"
	"math"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/client"
)

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

// preview shows what a decision would be about, and tells whether it is to be made: samples become money, or never do.
func (f *filter) preview(cmd *cobra.Command, platform *client.Client, apply bool, what string) (decide bool, err error) {
	if apply {
		return true, nil
	}
	groups, more, err := f.groups(cmd, platform)
	if err != nil {
		return false, err
	}
	out := cmd.OutOrStdout()
	if len(groups) == 0 {
		fmt.Fprintln(out, "nothing like this waits for a decision")
		return false, nil
	}
	if err := printGroups(out, groups); err != nil {
		return false, err
	}
	if more {
		fmt.Fprintln(out, "and more")
	}
	fmt.Fprintf(out, "%s; nothing is changed yet, --apply does it\n", what)
	return false, nil
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
	var apply bool
	cmd := &cobra.Command{
		Use: "release", Short: "Give samples the rate that they were taken at: they become usage", Args: cobra.NoArgs,
		Long: "Shows which samples would get the rate, and what they would come to. With --apply they become usage, for good.",
		Example: "  ezscale quarantine release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason \"ticket 4711\"\n" +
			"  ezscale quarantine release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason \"ticket 4711\" --apply",
	}
	f.add(cmd)
	cmd.Flags().Int64Var(&given, "rate-given", 0, "the rate that is true")
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the decision")
	cmd.Flags().BoolVar(&apply, "apply", false, "release them")
	require(cmd, "exporter", "from", "to", "rate-given", "reason")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		order, err := f.decision(cmd, reason)
		if err != nil {
			return err
		}
		if order.RateGiven = given; given < 1 || given > math.MaxUint32 {
			return fmt.Errorf("--rate-given: %d is no sampling rate: 1 to %d", given, uint32(math.MaxUint32))
		}
		if decide, err := f.preview(cmd, platform, apply, fmt.Sprintf("each byte above would count %d times", given)); !decide {
			return err
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
	var apply bool
	cmd := &cobra.Command{
		Use: "reject", Short: "Say that samples never become usage", Args: cobra.NoArgs,
		Long:    "Shows which samples would be rejected. With --apply they are, for good.",
		Example: "  ezscale quarantine reject --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --reason \"a test of ours\" --apply",
	}
	f.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "kept with the decision")
	cmd.Flags().BoolVar(&apply, "apply", false, "reject them")
	require(cmd, "exporter", "from", "to", "reason")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		order, err := f.decision(cmd, reason)
		if err != nil {
			return err
		}
		if decide, err := f.preview(cmd, platform, apply, "they would never become usage"); !decide {
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
