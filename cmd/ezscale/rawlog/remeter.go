package rawlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/cmd/ezscale/when"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/bandwidth"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/metering/meter/recount"
)

const actor = "staff:command-line"

// remeterOptions are the flags of `meter remeter`.
type remeterOptions struct {
	from, to, reason string
	services         []string
	apply            bool
}

// NewRemeterCommand meters a span anew; it stands below `meter`.
func NewRemeterCommand() *cobra.Command {
	var o remeterOptions
	cmd := &cobra.Command{
		Use:   "remeter --from HOUR --to HOUR",
		Short: "Meter a span anew from the raw log, by the assignments of now",
		Long: `Counts a span once more from the raw log by the assignments and settings of now, and shows by how much every service's usage
differs from the books, and which billing cycles that touches. With --apply the differences are written down as corrections, which
the meter adds to the counters; a closed cycle gets late usage on the next invoice, or a credit note.

For after an assignment was corrected in the past, e.g. by "ezscale move --corrects". A second run finds nothing to do.`,
		Example: "  ezscale meter remeter --from 2026-11-24T00 --to 2026-11-25T00\n" +
			"  ezscale meter remeter --from 2026-11-24T00 --to 2026-11-25T00 --service vps-1 --service vps-2 --apply --reason \"prefix was entered at the wrong service\"",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return remeter(cmd, o) },
	}
	operator.AddDataFlag(cmd)
	cmd.Flags().StringVar(&o.from, "from", "", "first hour, UTC")
	cmd.Flags().StringVar(&o.to, "to", "", "hour to stop before")
	cmd.Flags().StringSliceVar(&o.services, "service", nil, "only this service; may be given again (an assignment that moved concerns two)")
	cmd.Flags().BoolVar(&o.apply, "apply", false, "write the corrections")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the audit log and the corrections")
	_ = cmd.MarkFlagRequired("from") // the flags exist
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func (o remeterOptions) span() (s recount.Span, err error) {
	if s.From, err = when.ParseHour(o.from); err != nil {
		return s, fmt.Errorf("--from: %w", err)
	}
	if s.To, err = when.ParseHour(o.to); err != nil {
		return s, fmt.Errorf("--to: %w", err)
	}
	if o.apply && strings.TrimSpace(o.reason) == "" {
		return s, errors.New("--apply needs a --reason")
	}
	return s, s.Check()
}

func remeter(cmd *cobra.Command, o remeterOptions) error {
	span, err := o.span()
	if err != nil {
		return err
	}
	role := postgres.RoleQuery
	if o.apply {
		role = postgres.RoleCommand
	}
	platform, err := operator.Open(cmd, role)
	if err != nil {
		return err
	}
	defer platform.Close()
	deltas, err := preview(cmd, platform, span, o.services)
	if err != nil || !o.apply || len(deltas) == 0 {
		return err
	}
	written, err := applyDeltas(cmd.Context(), platform, span, o.reason, deltas)
	fmt.Fprintf(cmd.OutOrStdout(), "%d corrections are written; the meter adds them within seconds\n", written)
	return err
}

// preview recounts and prints what would change.
func preview(cmd *cobra.Command, platform *operator.Platform, span recount.Span, names []string) ([]recount.Delta, error) {
	ctx, out, r := cmd.Context(), cmd.OutOrStdout(), recounter(platform)
	if err := r.Require(ctx, span); err != nil {
		return nil, err
	}
	var services []uuid.UUID
	for _, name := range names {
		id, err := platform.Service(ctx, name)
		if err != nil {
			return nil, err
		}
		services = append(services, id)
	}
	books, err := r.Books(ctx, span, services)
	if err != nil {
		return nil, err
	}
	if books.Watermark.Before(span.To) {
		return nil, fmt.Errorf("not every meter has passed %s yet: what is not metered yet will be by the assignments of now", span.To.Format(time.RFC3339))
	}
	bar := terminal.NewProgress(os.Stderr, "reading the raw log", false)
	counted, err := r.Count(ctx, span, books, recount.Options{Services: services, Progress: func(p recount.Progress) { bar.Set(p.Done, p.Total) }})
	bar.Finish()
	if err != nil {
		return nil, err
	}
	deltas := recount.Deltas(books, counted.Sums)
	if err := tellDeltas(ctx, out, platform, r, span, deltas); err != nil || len(deltas) == 0 {
		return nil, err
	}
	doubts, err := r.Doubts(ctx, span, counted)
	if err != nil {
		return nil, err
	}
	if len(doubts) > 0 {
		return nil, fmt.Errorf("this recount cannot be trusted: %s", strings.Join(doubts, "; "))
	}
	return deltas, nil
}

// tellDeltas prints the sums by service, and the cycles.
func tellDeltas(ctx context.Context, out io.Writer, platform *operator.Platform, r *recount.Recounter, span recount.Span, deltas []recount.Delta) error {
	if len(deltas) == 0 {
		fmt.Fprintln(out, "nothing differs: the books are what the raw log says")
		return nil
	}
	names, err := platform.Names(ctx, "service")
	if err != nil {
		return err
	}
	cycles, err := r.Cycles(ctx, span, deltas)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tHOURS\tIN L2: OLD\tNEW\tDIFFERENCE\tOUT L2: OLD\tNEW\tDIFFERENCE")
	for len(deltas) > 0 {
		var old, now, by count.Usage
		n, service := 0, deltas[0].Service
		for ; n < len(deltas) && deltas[n].Service == service; n++ {
			old.Add(&deltas[n].Old)
			now.Add(&deltas[n].New)
			by.Add(&deltas[n].By)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%+d\t%d\t%d\t%+d\n", names[service], n, old.BytesInL2, now.BytesInL2, by.BytesInL2, old.BytesOutL2, now.BytesOutL2, by.BytesOutL2)
		deltas = deltas[n:]
	}
	fmt.Fprintln(w, "\nCYCLE OF\tFROM\tTO\tBILLABLE: OLD\tNEW\tDIFFERENCE\tWHAT BECOMES OF IT")
	for _, c := range cycles {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%+d\t%s\n", names[c.Service], c.From.UTC().Format(time.DateOnly), c.To.UTC().Format(time.DateOnly), c.Old, c.New, c.New-c.Old, fate(c))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the differences: %w", err)
	}
	return nil
}

func fate(c recount.Cycle) string {
	switch {
	case !c.Closed:
		return "counts in the open cycle"
	case c.New > c.Old:
		return "late usage on the next invoice, where it is over the quota"
	case c.New < c.Old:
		return "a credit note, where overage was billed"
	}
	return "nothing"
}

type noWaker struct{}

func (noWaker) Wake() {}

// applyDeltas writes them in commands of a bounded size, all of one service's hours together where that fits.
func applyDeltas(ctx context.Context, platform *operator.Platform, span recount.Span, reason string, deltas []recount.Delta) (written int, err error) {
	db := command.NewDB(platform.Pool, noWaker{}, platform.Log, prometheus.NewRegistry()) // the relay looks by itself
	batch := uuid.Must(uuid.NewV7())
	for len(deltas) > 0 {
		n := cut(deltas)
		order := bandwidth.RemeterUsage{BatchID: batch, From: span.From, To: span.To, Reason: reason}
		for _, d := range deltas[:n] {
			order.Hours = append(order.Hours, bandwidth.RemeteredHour{
				ServiceID: d.Service, ExporterID: d.Exporter, Hour: d.Time(), Old: bandwidth.Usage(d.Old), By: bandwidth.Usage(d.By),
			})
		}
		meta := command.Meta{Actor: actor, Now: platform.Clock.Now(), NewID: func() uuid.UUID { return uuid.Must(uuid.NewV7()) }}
		if _, err := command.Run(ctx, db, meta, order); err != nil {
			return written, fmt.Errorf("write corrections (run it again for those that are left): %w", err)
		}
		written += n
		deltas = deltas[n:]
	}
	return written, nil
}

// cut is how many deltas one command takes: whole services, unless one alone has too many hours.
func cut(deltas []recount.Delta) int {
	n := min(len(deltas), bandwidth.MaxRemeteredHours)
	if n == len(deltas) {
		return n
	}
	whole := n
	for whole > 0 && deltas[whole-1].Service == deltas[n].Service {
		whole--
	}
	if whole == 0 {
		return n
	}
	return whole
}
