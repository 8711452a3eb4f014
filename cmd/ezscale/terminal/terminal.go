// Package terminal draws progress for a person who watches, and nothing for a program that reads.
package terminal

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Is tells whether a person watches the file.
func Is(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// Bar is a progress bar of total steps, or bytes, with rate and time left.
func Bar(out io.Writer, total int64, what string, bytes bool) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(bytes),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(out) }),
	)
}
