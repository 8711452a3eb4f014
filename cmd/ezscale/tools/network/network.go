// Package network holds what network operators run: which port is whose, and what becomes of samples whose rate cannot
// be believed. It speaks to the API.
package network

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/cmd/ezscale/when"
	"github.com/ezscale/platform/internal/client"
)

// table prints lines under a head.
func table(out io.Writer, head string, lines func(io.Writer)) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, head)
	lines(w)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

// instant reads a flag that is a time; nil when it is not given.
func instant(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := when.Flag(flag, text)
	if err != nil {
		return nil, err
	}
	return &t, nil
}

func ifIndex(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not the number of a port (ifIndex)", text)
	}
	return n, nil
}

// connected adds the flags that say where the platform is, and connects before a command runs.
func connected(cmd *cobra.Command, run func(cmd *cobra.Command, args []string, platform *client.Client) error) *cobra.Command {
	var connection tools.Connection
	connection.Add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		platform, err := connection.Connect()
		if err != nil {
			return err
		}
		return run(cmd, args, platform)
	}
	return cmd
}
