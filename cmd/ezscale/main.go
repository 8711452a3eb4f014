// Command ezscale is the whole platform in one binary: `ezscale up` runs every role on servers it brings along,
// `ezscale api`, `relay`, `meter` … run one role each against servers named by the environment, and the rest are
// tools for operators. This package only composes: it reads the settings, builds the parts a role needs, starts
// them in order and stops them in reverse. One file per role.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/admin"
	"github.com/ezscale/platform/cmd/ezscale/auditlog"
	"github.com/ezscale/platform/cmd/ezscale/bench"
	"github.com/ezscale/platform/cmd/ezscale/elastiflow"
	"github.com/ezscale/platform/cmd/ezscale/rawlog"
	"github.com/ezscale/platform/cmd/ezscale/secretring"
	"github.com/ezscale/platform/cmd/ezscale/servers"
	"github.com/ezscale/platform/cmd/ezscale/stack"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/cmd/ezscale/tools/network"
	"github.com/ezscale/platform/cmd/ezscale/tools/report"
)

// version is set by the linker.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil
	stop()
	var exit tools.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.Code)
	case err != nil && interrupted:
		os.Exit(tools.TellInterrupted(os.Stderr, err))
	case err != nil:
		fmt.Fprintln(os.Stderr, "ezscale:", err)
		os.Exit(1)
	}
}

const (
	groupRun   = "run"
	groupUse   = "use"
	groupTend  = "tend"
	groupRoles = "roles"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ezscale",
		Short:         "The platform of a hosting company, with a bandwidth meter that can prove every gigabyte",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run it:"},
		&cobra.Group{ID: groupUse, Title: "Use it:"},
		&cobra.Group{ID: groupTend, Title: "Tend it:"},
		&cobra.Group{ID: groupRoles, Title: "Roles, each a process of its own in production (settings: ezscale settings):"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group(groupRun, newUpCommand(), servers.NewCommand(), newTryCommand())
	group(groupUse, tools.NewApplyCommand(), tools.NewUsageCommand(), report.NewCommand(), tools.NewMoveCommand(), tools.NewSimulateCommand(), tools.NewClockCommand())
	group(groupUse, network.NewPortsCommand(), network.NewQuarantineCommand())
	group(groupTend, tools.NewReplayCommand(rawlog.NewPcapCommand(), elastiflow.NewCommand(), elastiflow.NewListCommand()), rawlog.NewFlowsCommand())
	group(groupTend, admin.NewCommand(), auditlog.NewCommand(), secretring.NewCommand())
	group(groupTend, tools.NewDoctorCommand(), tools.NewHealthCommand(), tools.NewParkedCommand(), tools.NewRebuildCommand(), newMigrateCommand(), bench.NewCommand(), tools.NewSettingsCommand())
	group(groupRoles, newRoleCommands()...)
	root.AddCommand(stack.NewChildCommand())
	return tools.Strict(root)
}
