// Package accuracy is `ezscale bench accuracy`: how far the meter's estimates lie from the truth, beside the bound that is
// printed on every bill.
//
// A switch is simulated that takes one packet in N at random, over a port on which one service has a share of the packets
// of a known mix of lengths. What it sends goes through the meter's own decoder and counter. The truth is known exactly:
// the mix repeats, so nothing is estimated but by the meter. Per size of class (samples of the service) many trials give
// the observed 95 % error of packets and of bytes, and how often the truth lay within the bound 196/√n per cent.
//
// That bound is for packets (sflow.org, packetSamplingBasics). Bytes vary more, because packets have different lengths: for
// a mix with mean m and mean square q the error of bytes is √(q/m²) times as wide. The table shows both, and that factor.
package accuracy

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// How many trials tell of each size: fewer of large ones, which take longer.
const (
	sampleBudget = 1_000_000
	mostTrials   = 2_000
	leastTrials  = 10
)

type options struct {
	rate   uint32
	share  int
	mix    string
	seed   uint64
	trials int
	sizes  []int
	json   bool
}

// NewCommand is `ezscale bench accuracy`.
func NewCommand() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "accuracy",
		Short: "Compare the meter's estimates with the truth, and their error with the bound on the bill",
		Long: "Simulates a sampling switch whose traffic is known to the byte, meters it with the decoder and counter of production,\n" +
			"and prints the observed error beside the 95 % bound (196/sqrt(samples) per cent) for 100 to 1,000,000 samples.\n" +
			"The same seed gives the same figures on every machine.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, o) },
	}
	flags := cmd.Flags()
	flags.Uint32Var(&o.rate, "rate", 2048, "one packet in this many is sampled")
	flags.IntVar(&o.share, "share", 80, "per cent of the port's packets that are the service's")
	flags.StringVar(&o.mix, "mix", "internet", "lengths of packets: internet (40 % 64, 20 % 576, 40 % 1518 bytes), large (all 1518) or jumbo (half 64, half 9018)")
	flags.Uint64Var(&o.seed, "seed", 1, "of the random numbers")
	flags.IntVar(&o.trials, "trials", 0, "trials of each size; 0 chooses, about a million samples each, at least 10")
	flags.IntSliceVar(&o.sizes, "samples", []int{100, 1_000, 10_000, 100_000, 1_000_000}, "sizes of class to try")
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	return cmd
}

func (o options) check() error {
	switch {
	case o.rate < 1:
		return fmt.Errorf("--rate %d: must be 1 or more", o.rate)
	case o.share < 1 || o.share > 100:
		return fmt.Errorf("--share %d: must be from 1 to 100 per cent", o.share)
	case o.trials < 0 || o.trials > 100_000:
		return fmt.Errorf("--trials %d: must be from 0 to 100000", o.trials)
	case len(o.sizes) == 0 || slices.Min(o.sizes) < 10 || slices.Max(o.sizes) > 100_000_000:
		return fmt.Errorf("--samples %v: must be from 10 to 100000000", o.sizes)
	}
	_, err := lengthsOf(o.mix)
	return err
}

// Row is what was observed of one size of class. Errors are per cent of the truth.
type Row struct {
	Samples              int     `json:"samples"` // expected
	Trials               int     `json:"trials"`
	BoundPercent         float64 `json:"bound_percent"`
	PacketsErrorPercent  float64 `json:"packets_error_percent"`  // that 95 % of the trials stay below
	BytesErrorPercent    float64 `json:"bytes_error_percent"`    // the same of bytes
	PacketsWithinPercent float64 `json:"packets_within_percent"` // trials whose truth lies within the bound
	BytesWithinPercent   float64 `json:"bytes_within_percent"`
	LowerBoundPercent    float64 `json:"lower_bound_kept_percent"` // trials in which billing the lower bound billed no more than the truth
	BiasPercent          float64 `json:"bias_percent"`             // mean error of bytes, with its sign
}

// Report is everything that a run prints.
type Report struct {
	Rate         uint32  `json:"rate"`
	SharePercent int     `json:"share_percent"`
	Mix          string  `json:"mix"`
	BytesFactor  float64 `json:"bytes_factor"` // how much wider the error of bytes is than that of packets, by the mix
	Seed         uint64  `json:"seed"`
	Rows         []Row   `json:"rows"`
}

func run(cmd *cobra.Command, o options) error {
	if err := o.check(); err != nil {
		return err
	}
	lengths, err := lengthsOf(o.mix)
	if err != nil {
		return err
	}
	r := Report{Rate: o.rate, SharePercent: o.share, Mix: o.mix, Seed: o.seed, BytesFactor: spreadOf(lengths)}
	for _, size := range o.sizes {
		began := time.Now()
		row, err := observe(cmd.Context(), o, lengths, size)
		if err != nil {
			return err
		}
		r.Rows = append(r.Rows, row)
		if !o.json {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d samples: %d trials in %s\n", size, row.Trials, time.Since(began).Round(time.Millisecond))
		}
	}
	if o.json {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	return r.table(cmd.OutOrStdout())
}

func (r Report) table(out io.Writer) error {
	fmt.Fprintf(out, "one packet in %d, %d %% of them the service's, lengths %s (error of bytes %.2f times that of packets), seed %d\n\n",
		r.Rate, r.SharePercent, r.Mix, r.BytesFactor, r.Seed)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "samples\ttrials\tbound\tpackets' error\tbytes' error\tpackets within\tbytes within\tlower bound kept\tbias\t")
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%d\t%d\t%.3f %%\t%.3f %%\t%.3f %%\t%.1f %%\t%.1f %%\t%.1f %%\t%+.3f %%\t\n", row.Samples, row.Trials, row.BoundPercent,
			row.PacketsErrorPercent, row.BytesErrorPercent, row.PacketsWithinPercent, row.BytesWithinPercent, row.LowerBoundPercent, row.BiasPercent)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	fmt.Fprintln(out, "\nError: 95 % of the trials stay below it. Within: trials whose truth lies inside the estimate's own bound. Lower bound kept:\n"+
		"trials in which a plan that bills the lower bound billed no more than what was sent.")
	return nil
}

// trialsOf chooses how many trials tell enough of a size in reasonable time.
func trialsOf(o options, size int) int {
	if o.trials > 0 {
		return o.trials
	}
	return min(max(sampleBudget/size, leastTrials), mostTrials)
}

// percentile95 is the value that 95 % stay at or below.
func percentile95(values []float64) float64 {
	slices.Sort(values)
	return values[min(int(math.Ceil(0.95*float64(len(values))))-1, len(values)-1)]
}
