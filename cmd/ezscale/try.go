package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/servers"
)

// errTried ends the platform when the command that was to try it has ended.
var errTried = errors.New("tried")

func newTryCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "try -- COMMAND…",
		Short:   "Start the demo on free ports with new data, run a command against it (BASE_URL, ACCOUNT_URL, ADMIN_URL), stop",
		Example: "  ezscale try -- npm --prefix web run test:browser",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, remove, err := servers.DataOrTemporary("")
			if err != nil {
				return err
			}
			defer remove()
			var result error
			err = runUp(cmd.Context(), upOptions{
				data: data, http: "127.0.0.1:0", sflow: "127.0.0.1:0", netflow: "127.0.0.1:0", demo: true, logLevel: "error", logFormat: "text",
				ready: func(at serving) error {
					result = servers.Run(context.WithoutCancel(cmd.Context()), args, []string{"BASE_URL=" + at.url, "ACCOUNT_URL=" + at.account, "ADMIN_URL=" + at.admin, "EZSCALE_TRY_DATA=" + data})
					return errTried
				},
			})
			if err != nil && !errors.Is(err, errTried) {
				return err
			}
			return result
		},
	}
}
