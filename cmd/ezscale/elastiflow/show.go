package elastiflow

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/metering/replay/elastiflow"
)

const (
	lineEvery    = 10 * time.Second // where nobody watches
	shownUnknown = 20
)

// progress shows how far a replay is: a bar with rate and time left on a terminal, now and then a line elsewhere.
type progress struct {
	out   io.Writer
	watch bool
	now   func() time.Time

	bar       *progressbar.ProgressBar
	begun     time.Time
	first     time.Time // cursor of the first call: a resumed replay has done the rest before
	documents int64     // then
	spoken    time.Time
	everShown bool
}

func newProgress(out *os.File, now func() time.Time) *progress {
	return &progress{out: out, watch: terminal.Is(out), now: now, begun: now()}
}

func (p *progress) show(s elastiflow.Progress) {
	if !p.everShown {
		p.everShown, p.first, p.documents, p.spoken = true, s.Next, s.Counts.Found, p.begun
	}
	if p.watch && !s.To.IsZero() {
		p.draw(s)
		return
	}
	if now := p.now(); now.Sub(p.spoken) >= lineEvery {
		p.spoken = now
		fmt.Fprintln(p.out, p.line(s, now))
	}
}

func (p *progress) draw(s elastiflow.Progress) {
	if p.bar == nil {
		p.bar = terminal.Bar(p.out, int64(s.To.Sub(s.From)/time.Minute), "reading minutes", false)
	}
	p.bar.Describe(fmt.Sprintf("%s, %d documents", s.Next.UTC().Format("2006-01-02 15:04"), s.Counts.Found))
	_ = p.bar.Set64(int64(s.Next.Sub(s.From) / time.Minute)) // a bar that cannot be drawn is no failure
}

// line says the same in words.
func (p *progress) line(s elastiflow.Progress, now time.Time) string {
	seconds := max(now.Sub(p.begun).Seconds(), 0.001)
	text := fmt.Sprintf("read up to %s: %d documents, %d counted, %d kept back, %.0f documents/s",
		s.Next.UTC().Format(time.RFC3339), s.Counts.Found, s.Counts.Counted, s.Counts.KeptBack(), float64(s.Counts.Found-p.documents)/seconds)
	done := s.Next.Sub(p.first)
	if s.To.IsZero() || done <= 0 {
		return text
	}
	left := time.Duration(float64(s.To.Sub(s.Next)) / float64(done) * seconds * float64(time.Second))
	return fmt.Sprintf("%s, %.1f %%, about %s left", text, 100*float64(s.Next.Sub(s.From))/float64(s.To.Sub(s.From)), left.Round(time.Second))
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Exit() // a bar that cannot be drawn is no failure
		fmt.Fprintln(p.out)
	}
}

// writeSummary tells what became of every document.
func writeSummary(to io.Writer, replay *elastiflow.Replay, c elastiflow.Counts, dry bool) error {
	out := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	counted := "counted"
	if dry {
		counted = "would be counted"
	}
	fmt.Fprintf(out, "replay\t%s\n", replay.Name())
	fmt.Fprintf(out, "documents\t%d\t%s\n", c.Found, schemas(c))
	fmt.Fprintf(out, "%s\t%d\t%s\n", counted, c.Counted, bytesize.Format(int64(min(c.Bytes, 1<<62))))
	fmt.Fprintf(out, "counted before\t%d\n", c.Duplicates)
	for _, reason := range slices.Sorted(maps.Keys(c.Kept)) {
		fmt.Fprintf(out, "kept back, %s\t%d\t%s\n", strings.ReplaceAll(reason, "_", " "), c.Kept[reason], c.Examples[reason])
	}
	writeExporters(out, c)
	for _, index := range replay.Unreadable() {
		fmt.Fprintf(out, "index left out\t%s\thas no date to read by, or does not store its documents\n", index)
	}
	return out.Flush()
}

func writeExporters(out io.Writer, c elastiflow.Counts) {
	unknown := slices.SortedFunc(maps.Keys(c.Unknown), func(a, b string) int { return int(c.Unknown[b] - c.Unknown[a]) })
	for _, address := range unknown[:min(len(unknown), shownUnknown)] {
		fmt.Fprintf(out, "unknown exporter\t%d\t%s\n", c.Unknown[address], address)
	}
	if more := len(unknown) - shownUnknown; more > 0 {
		fmt.Fprintf(out, "more unknown exporters\t%d\n", more)
	}
	if len(unknown) > 0 {
		fmt.Fprintln(out, "\t\tregister them and run this again, or take them for one that is registered: --exporter NAME")
	}
	for _, address := range slices.Sorted(maps.Keys(c.Scale)) {
		if b := c.Scale[address]; b.Stopped {
			fmt.Fprintf(out, "stopped exporter\t%s\t%d of %d documents are not scaled by their rate, such as %s; --trust %s takes them all the same\n",
				address, b.Failed, b.Checked, b.Evidence, address)
		}
	}
}

func schemas(c elastiflow.Counts) string {
	var all []string
	for _, s := range slices.Sorted(maps.Keys(c.Schemas)) {
		all = append(all, fmt.Sprintf("%s: %d", s, c.Schemas[s]))
	}
	return strings.Join(all, ", ")
}
