package tools

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Strict makes wrong arguments say how a command is used, and lets a command that only holds others refuse what it does not
// hold: by itself cobra prints the help and calls that a success.
func Strict(cmd *cobra.Command) *cobra.Command {
	for _, below := range cmd.Commands() {
		Strict(below)
	}
	if !cmd.HasParent() {
		return cmd
	}
	if !cmd.Runnable() {
		cmd.FParseErrWhitelist.UnknownFlags = true // they are of the command that is not there
		cmd.Args = cobra.NoArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	check := cmd.Args
	if check == nil {
		return cmd
	}
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return fmt.Errorf("%w; usage: %s", err, useOf(cmd))
		}
		return nil
	}
	return cmd
}

func useOf(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() && cmd.Args != nil && cmd.Run == nil {
		return cmd.CommandPath() + " COMMAND (--help lists them)"
	}
	return cmd.UseLine()
}

// TellInterrupted says where a command was when it was interrupted, and gives its exit code, as shells have it.
func TellInterrupted(to io.Writer, err error) int {
	fmt.Fprintln(to, "ezscale: interrupted:", strings.TrimSuffix(err.Error(), ": "+context.Canceled.Error()))
	return 130
}
