package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// lineEvery is how often a program that reads is told, in a line of its own.
const lineEvery = 5 * time.Second

// Progress shows how far something long is: a bar for a person, a line now and then for a log.
type Progress struct {
	out    *os.File
	what   string
	bytes  bool
	bar    *progressbar.ProgressBar
	lineAt time.Time
}

// NewProgress makes one that shows nothing before Set. bytes says that it counts bytes.
func NewProgress(out *os.File, what string, bytes bool) *Progress {
	return &Progress{out: out, what: what, bytes: bytes, lineAt: time.Now()}
}

// Set shows done of total. A total of 0 is not known yet.
func (p *Progress) Set(done, total int64) {
	if Is(p.out) {
		if p.bar == nil && total > 0 {
			p.bar = Bar(p.out, total, p.what, p.bytes)
		}
		if p.bar != nil {
			_ = p.bar.Set64(min(done, total)) // a bar that cannot be drawn is no failure
		}
		return
	}
	now := time.Now()
	if now.Sub(p.lineAt) < lineEvery {
		return
	}
	p.lineAt = now
	if total > 0 {
		fmt.Fprintf(p.out, "%s: %d of %d, %d %%\n", p.what, done, total, done*100/total)
		return
	}
	fmt.Fprintf(p.out, "%s: %d\n", p.what, done)
}

// Finish takes the bar away.
func (p *Progress) Finish() {
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.out)
		p.bar = nil
	}
}

// JSON prints a value for programs, indented for people who look all the same.
func JSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
