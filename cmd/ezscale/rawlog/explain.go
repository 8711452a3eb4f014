package rawlog

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/cmd/ezscale/when"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter/recount"
	"github.com/ezscale/platform/metering/meter/recount/explain"
)

// NewExplainCommand says where the bytes of an hour came from; it stands below `meter`.
func NewExplainCommand() *cobra.Command {
	var hour string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain SERVICE --hour 2026-11-25T03",
		Short: "Say where every byte of an hour of a service came from",
		Long: `Counts the hour once more from the raw log and prints where its bytes came from: by exporter, agent, port, direction,
prefix and sampling rate, with the top peers. The sums stand next to those in the books and must be equal, but for
what assignments were changed since. Corrections, evidence, quarantine and the known loss of the hour are listed.
It reads the log from an hour before the hour to its end, since usage may have come late.`,
		Example: "  ezscale meter explain vps-1 --hour 2026-11-25T03\n  ezscale meter explain vps-1 --hour 2026-11-25T03 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := when.ParseHour(hour)
			if err != nil {
				return fmt.Errorf("--hour: %w", err)
			}
			e, err := explainHour(cmd, args[0], at)
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.JSON(cmd.OutOrStdout(), e)
			}
			return tellExplanation(cmd.OutOrStdout(), e)
		},
	}
	operator.AddDataFlag(cmd)
	cmd.Flags().StringVar(&hour, "hour", "", "the hour, UTC: 2026-11-25T03")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	_ = cmd.MarkFlagRequired("hour") // the flag exists
	return cmd
}

func explainHour(cmd *cobra.Command, service string, hour time.Time) (*explain.Explanation, error) {
	platform, err := operator.Open(cmd, postgres.RoleQuery)
	if err != nil {
		return nil, err
	}
	defer platform.Close()
	id, err := platform.Service(cmd.Context(), service)
	if err != nil {
		return nil, err
	}
	bar := terminal.NewProgress(os.Stderr, "reading the raw log", false)
	defer bar.Finish()
	return explain.Explain(cmd.Context(), platform.Pool, recounter(platform), id, hour, func(p recount.Progress) { bar.Set(p.Done, p.Total) })
}

// tellExplanation prints for people.
func tellExplanation(out io.Writer, e *explain.Explanation) error {
	fmt.Fprintf(out, "%s, the hour of %s\n", e.Service, e.Hour.Format(time.RFC3339))
	if !e.InLog {
		fmt.Fprintf(out, "the raw log holds everything from %s on only: what is before is missing below, and the differences are its doing\n", e.LogFrom.Format(time.RFC3339))
	}
	if !e.Complete {
		fmt.Fprintln(out, "not every meter has passed this hour yet: there may be more to come")
	}
	for _, section := range []func(*tabwriter.Writer, *explain.Explanation){tellLines, tellSums, tellPeers, tellBesides} {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		section(w, e)
		if err := w.Flush(); err != nil {
			return fmt.Errorf("print the explanation: %w", err)
		}
	}
	return nil
}

// tellLines prints what is billed and, in a table of its own, what is kept as evidence (FROM bound or attachment).
func tellLines(w *tabwriter.Writer, e *explain.Explanation) {
	for _, lines := range [][]explain.Line{e.Lines, e.Unbilled} {
		for i, l := range lines {
			if i == 0 {
				fmt.Fprintln(w, "\nEXPORTER\tAGENT\tPORT\tDIRECTION\tPREFIX\tRATE\tFROM\tCOUNT\tPACKETS\tBYTES L2\tBYTES L3")
			}
			fmt.Fprintf(w, "%s\t%s/%d\t%d\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\n", l.Exporter, l.Agent, l.SubAgent, l.Port, l.Direction, l.Prefix, l.Rate, l.Kind,
				l.Samples, l.Packets, l.BytesL2, l.BytesL3)
		}
	}
}

func tellSums(w *tabwriter.Writer, e *explain.Explanation) {
	fmt.Fprintln(w, "\nSUM OF\tIN L2\tOUT L2\tIN L3\tOUT L3\tSAMPLES")
	row := func(name string, u explain.Usage) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", name, u.BytesInL2, u.BytesOutL2, u.BytesInL3, u.BytesOutL3, u.SamplesIn+u.SamplesOut)
	}
	for _, s := range e.Sums {
		row(s.Exporter+", by the log", s.Counted)
		if s.Released != (explain.Usage{}) {
			row(s.Exporter+", released from quarantine", s.Released)
		}
		row(s.Exporter+", in the books", s.Books)
		if s.Difference == (explain.Usage{}) {
			fmt.Fprintln(w, "  equal")
			continue
		}
		row("  DIFFERENCE", s.Difference)
	}
	if len(e.Sums) == 0 {
		fmt.Fprintln(w, "nothing, neither in the log nor in the books")
	}
}

// decided says what became of quarantined samples.
func decided(q explain.Quarantined) string {
	if q.Released == 0 && q.Rejected == 0 {
		return ", not decided yet"
	}
	return fmt.Sprintf("; released %d, rejected %d, open %d", q.Released, q.Rejected, q.Samples-q.Released-q.Rejected)
}

func tellPeers(w *tabwriter.Writer, e *explain.Explanation) {
	for i, p := range e.Peers {
		if i == 0 {
			fmt.Fprintln(w, "\nPEER\tINTO THE SERVICE\tOUT OF IT\tSAMPLES")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", p.Address, bytesize.Format(p.BytesIn), bytesize.Format(p.BytesOut), p.Samples)
	}
}

func tellBesides(w *tabwriter.Writer, e *explain.Explanation) {
	fmt.Fprintln(w)
	for _, c := range e.Corrections {
		state := "waits for the meter"
		if c.AppliedAt != nil {
			state = "applied " + c.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "correction, %s at %s: in %d, out %d bytes L2 (%s; %s)\n", strings.ReplaceAll(c.Kind, "_", " "), c.Exporter, c.BytesIn, c.BytesOut, c.Reason, state)
	}
	for _, v := range e.Evidence {
		fmt.Fprintf(w, "evidence, %s at %s: in %d, out %d bytes L2 of %d samples\n", v.Reason, v.Exporter, v.BytesIn, v.BytesOut, v.Samples)
	}
	for _, q := range e.Quarantined {
		fmt.Fprintf(w, "quarantined at %s, %s, rate %d: %d samples of %d bytes%s\n", q.Exporter, q.Direction, q.Rate, q.Samples, q.FrameLength, decided(q))
	}
	for _, l := range e.Losses {
		fmt.Fprintf(w, "%s in this hour, all services: %d datagrams counted, %d lost, %d repeated, %d rejected; %d samples lost, %d dropped by the agent;"+
			" kernel drops %d, spool drops %d, restarts %d\n", l.Exporter, l.Datagrams, l.DatagramsLost, l.DatagramsDuplicate, l.DatagramsRejected,
			l.SamplesLost, l.SamplesDropped, l.KernelDrops, l.SpoolDrops, l.Restarts)
	}
}
