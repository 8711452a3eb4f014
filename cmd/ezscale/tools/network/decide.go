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

// verdict is what release and reject have in common: which samples, why, and whether it is to be done or only shown.
type verdict struct {
	filter
	reason string
	apply  bool
}

// add adds the flags. Exporter and hours must be given: it is about money.
func (v *verdict) add(cmd *cobra.Command, apply string) {
	v.filter.add(cmd)
	cmd.Flags().StringVar(&v.reason, "reason", "", "kept with the decision")
	cmd.Flags().BoolVar(&v.apply, "apply", false, apply)
	require(cmd, "exporter", "from", "to", "reason")
}

// require marks flags that exist.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		_ = cmd.MarkFlagRequired(name)
	}
}

// decide orders what is decided, or shows what it would be about: samples become money, or never do.
func (v *verdict) decide(cmd *cobra.Command, platform *client.Client, path string, given int64, warning string, done any) (decided bool, err error) {
	hours, err := tools.HourRange(v.from, v.to)
	if err != nil {
		return false, err
	}
	if !v.apply {
		return false, v.preview(cmd, platform, warning)
	}
	d := decision{Exporter: v.exporter, From: hours.Get("from"), To: hours.Get("to"), Service: v.service, RateGiven: given, Reason: v.reason}
	if cmd.Flags().Changed("rate") {
		d.Rate = &v.rate
	}
	err = platform.Write(cmd.Context(), http.MethodPost, path, "", d, done)
	return err == nil, err
}

func (v *verdict) preview(cmd *cobra.Command, platform *client.Client, warning string) error {
	groups, more, err := v.groups(cmd, platform)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if len(groups) == 0 {
		fmt.Fprintln(out, "nothing like this waits for a decision")
		return nil
	}
	if err := printGroups(out, groups); err != nil {
		return err
	}
	if more {
		fmt.Fprintln(out, "and more")
	}
	fmt.Fprintf(out, "%s; nothing is changed yet, --apply does it\n", warning)
	return nil
}

func newQuarantineReleaseCommand() *cobra.Command {
	var v verdict
	var given int64
	cmd := &cobra.Command{
		Use: "release", Short: "Give samples the rate that they were taken at: they become usage", Args: cobra.NoArgs,
		Long: "Shows which samples would get the rate, and what they would come to. With --apply they become usage, for good.",
		Example: "  ezscale quarantine release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason \"ticket 4711\"\n" +
			"  ezscale quarantine release --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --rate 0 --rate-given 2048 --reason \"ticket 4711\" --apply",
	}
	v.add(cmd, "release them")
	cmd.Flags().Int64Var(&given, "rate-given", 0, "the rate that is true")
	require(cmd, "rate-given")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		if given < 1 || given > math.MaxUint32 {
			return fmt.Errorf("--rate-given: %d is no sampling rate: 1 to %d", given, uint32(math.MaxUint32))
		}
		var done struct {
			Rows       int   `json:"rows"`
			Samples    int64 `json:"samples"`
			BytesInL2  int64 `json:"bytes_in_l2"`
			BytesOutL2 int64 `json:"bytes_out_l2"`
		}
		if decided, err := v.decide(cmd, platform, "/quarantine/release", given, fmt.Sprintf("each byte above would count %d times", given), &done); !decided {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "released %d samples of %d rows: %s in, %s out (L2); a meter adds them within seconds\n",
			done.Samples, done.Rows, bytesize.Format(done.BytesInL2), bytesize.Format(done.BytesOutL2))
		return nil
	})
}

func newQuarantineRejectCommand() *cobra.Command {
	var v verdict
	cmd := &cobra.Command{
		Use: "reject", Short: "Say that samples never become usage", Args: cobra.NoArgs,
		Long:    "Shows which samples would be rejected. With --apply they are, for good.",
		Example: "  ezscale quarantine reject --exporter leaf-0 --from 2026-01-05 --to 2026-01-06 --reason \"a test of ours\" --apply",
	}
	v.add(cmd, "reject them")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		var done struct {
			Rows    int   `json:"rows"`
			Samples int64 `json:"samples"`
		}
		if decided, err := v.decide(cmd, platform, "/quarantine/reject", 0, "they would never become usage", &done); !decided {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "rejected %d samples of %d rows\n", done.Samples, done.Rows)
		return nil
	})
}
