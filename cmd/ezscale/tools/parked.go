package tools

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/postgres"
)

const shownValueBytes = 4096

// NewParkedCommand lists, shows and retries parked messages.
func NewParkedCommand() *cobra.Command {
	command := &cobra.Command{Use: "parked", Short: "Messages that a consumer could not handle and set aside"}
	addDataFlag(command)
	command.AddCommand(newParkedListCommand(), newParkedShowCommand(), newParkedRetryCommand())
	return command
}

// withParked opens the parked messages for one call.
func withParked(cmd *cobra.Command, use func(context.Context, *consumer.Parked) error) error {
	cfg, _, err := operatorConfig(cmd)
	if err != nil {
		return err
	}
	pool, err := postgres.Open(cmd.Context(), postgres.Config{DSN: cfg.Postgres, Role: postgres.RoleCommand, MaxConns: 1, ApplicationName: "ezscale parked"})
	if err != nil {
		return err
	}
	defer pool.Close()
	return use(cmd.Context(), consumer.NewParked(pool))
}

func newParkedListCommand() *cobra.Command {
	var of string
	var all bool
	var after int64
	command := &cobra.Command{
		Use: "list", Short: "List them, oldest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withParked(cmd, func(ctx context.Context, parked *consumer.Parked) error {
				messages, err := parked.List(ctx, of, all, after)
				if err != nil {
					return err
				}
				if len(messages) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "nothing is parked")
					return nil
				}
				out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
				fmt.Fprintln(out, "ID\tCONSUMER\tWHERE\tPARKED\tSTATE\tREASON")
				for _, m := range messages {
					fmt.Fprintf(out, "%d\t%s\t%s/%d@%d\t%s\t%s\t%s\n", m.ID, m.Consumer, m.Topic, m.Partition, m.Offset,
						m.ParkedAt.Format(time.RFC3339), parkedState(m), m.Reason)
				}
				return out.Flush()
			})
		},
	}
	command.Flags().StringVar(&of, "consumer", "", "only of this consumer")
	command.Flags().BoolVar(&all, "all", false, "those that went through at a later try, too")
	command.Flags().Int64Var(&after, "after", 0, "go on after this id")
	return command
}

func parkedState(m consumer.ParkedMessage) string {
	switch {
	case m.ResolvedAt != nil:
		return "resolved"
	case m.RetryAt != nil:
		return "retrying"
	}
	return "parked"
}

func newParkedShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one whole", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parkedIDs(args)
			if err != nil {
				return err
			}
			return withParked(cmd, func(ctx context.Context, parked *consumer.Parked) error {
				m, err := parked.Show(ctx, ids[0])
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "id         %d\nconsumer   %s\nwhere      %s/%d@%d\nparked     %s after %d tries\nstate      %s\naggregate  %s\nreason     %s\n",
					m.ID, m.Consumer, m.Topic, m.Partition, m.Offset, m.ParkedAt.Format(time.RFC3339), m.Attempts, parkedState(m), m.Aggregate, m.Reason)
				for _, h := range m.Headers {
					fmt.Fprintf(out, "header     %s: %q\n", h.Key, h.Value)
				}
				fmt.Fprintf(out, "key        %x\nvalue      %q\n", m.Key, m.Value[:min(len(m.Value), shownValueBytes)])
				if len(m.Value) > shownValueBytes {
					fmt.Fprintf(out, "           … %d bytes in all\n", len(m.Value))
				}
				return nil
			})
		},
	}
}

func newParkedRetryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID…", Short: "Ask the consumer to handle them again", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parkedIDs(args)
			if err != nil {
				return err
			}
			return withParked(cmd, func(ctx context.Context, parked *consumer.Parked) error {
				n, err := parked.Retry(ctx, ids...)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d of %d will be handled again within seconds; `ezscale parked list` shows what stays\n", n, len(ids))
				return nil
			})
		},
	}
}

func parkedIDs(args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, a := range args {
		id, err := strconv.ParseInt(a, 10, 64)
		if err != nil || id <= 0 {
			return nil, fmt.Errorf("%q is not the id of a parked message; `ezscale parked list` lists them", a)
		}
		ids[i] = id
	}
	return ids, nil
}
