package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ezscale/platform/cmd/ezscale/bench/peer"
)

// Report is what a run has measured. The figures at its head are those of the first row.
type Report struct {
	Decode     float64 `json:"decode_samples_per_second"` // of one core
	Pipeline   float64 `json:"pipeline_samples_per_cpu_second"`
	Offered    int64   `json:"offered"` // datagrams
	Lost       int64   `json:"lost"`
	RSS        int64   `json:"rss_bytes"`
	GraphDelay float64 `json:"graph_delay_seconds"`
	Rows       []Row   `json:"rows"`

	Peers []peer.Result `json:"peers,omitempty"`
}

func (r *Report) finish() {
	if len(r.Rows) == 0 {
		return
	}
	first := r.Rows[0]
	r.Pipeline, r.Offered, r.Lost, r.RSS, r.GraphDelay = first.SamplesPerCPUSecond, first.Offered, first.Lost, first.RSS, first.GraphDelay
}

const mega = 1e6

// line is a row as it is told while others still run.
func (r Row) line() string {
	return fmt.Sprintf("%.0f datagrams/s, %d lost, %.2f M samples per CPU second (collector %.2f s, meter %.2f s), %.0f MiB, %.1f s to the graph, books %s",
		r.Rate, r.Lost, r.SamplesPerCPUSecond/mega, r.CollectorCPU, r.MeterCPU, mebibytes(r.RSS), r.GraphDelay, r.Books)
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func (r Report) print(out io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(&text, "decode: %.1f M samples/s on one core\n\n", r.Decode/mega)
	fmt.Fprintln(table, "scenario\texporters\tservices\tdatagrams/s\toffered\tlost\tlost %\tM samples/CPU s\tcollector CPU s\tmeter CPU s\tMiB\tgraph s\tcaught up s\t  books\t")
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%s\t%d\t%d\t%.0f\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.1f\t%.1f\t  %s\t\n", row.Scenario, row.Exporters, row.Services, row.Rate,
			row.Offered, row.Lost, 100*float64(row.Lost)/float64(max(row.Offered, 1)), row.SamplesPerCPUSecond/mega, row.CollectorCPU, row.MeterCPU,
			mebibytes(row.RSS), row.GraphDelay, row.CaughtUp, row.Books)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("lay the table out: %w", err)
	}
	if err := r.printPeers(&text); err != nil {
		return err
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

// times is how many times a peer's samples the pipeline counts for the same processor time.
func (r Report) times(p peer.Result) string {
	if p.SamplesPerCPUSecond == 0 || r.Pipeline == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f ×", r.Pipeline/p.SamplesPerCPUSecond)
}

func (r Report) printPeers(text *strings.Builder) error {
	if len(r.Peers) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\npeer\toffered\tlost\tM samples/CPU s\tours is\tCPU s\tMiB\t  what it does with a sample\t")
	for _, p := range r.Peers {
		if p.Missing == "" {
			fmt.Fprintf(table, "%s\t%d\t%d\t%.2f\t%s\t%.2f\t%.0f\t  %s\t\n", p.Name, p.Offered, p.Lost, p.SamplesPerCPUSecond/mega, r.times(p),
				p.CPU, mebibytes(p.RSS), p.Does)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("lay the peers' table out: %w", err)
	}
	for _, p := range r.Peers {
		if p.Missing != "" {
			fmt.Fprintf(text, "%s is not on this machine and was not measured (%s)\n", p.Name, p.Missing)
		}
	}
	return nil
}
