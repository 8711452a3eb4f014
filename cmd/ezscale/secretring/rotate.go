package secretring

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/secret/vault"
)

// change makes a command that changes something with --apply.
func change(cmd *cobra.Command, work func(ctx context.Context, out io.Writer, d *desk, args []string, apply bool) error) *cobra.Command {
	apply := cmd.Flags().Bool("apply", false, "do it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := open(cmd)
		if err != nil {
			return err
		}
		defer d.Close()
		if err := work(cmd.Context(), cmd.OutOrStdout(), d, args, *apply); err != nil {
			return err
		}
		preview(cmd, *apply)
		return nil
	}
	return cmd
}

func newAddKeyCommand() *cobra.Command {
	return change(&cobra.Command{
		Use:     "add-key",
		Short:   "Add a key to the ring, which seals nothing yet",
		Long:    "Adds a new key to the ring. Nothing is sealed by it before it is promoted; every process reads it within a minute.",
		Example: "  ezscale secrets add-key\n  ezscale secrets add-key --apply",
		Args:    noArgs,
	}, func(ctx context.Context, out io.Writer, d *desk, _ []string, apply bool) error {
		ring, err := d.current(ctx)
		if err != nil {
			return err
		}
		order, err := secrets.NewAddKey(ring)
		if err != nil {
			return err
		}
		if !apply {
			fmt.Fprintf(out, "a key would be added to the ring, in which %s seals (keys in all: %d)\n", ring.Primary, len(ring.Keys))
			return nil
		}
		if _, err := run(ctx, d, order); err != nil {
			return err
		}
		fmt.Fprintf(out, "added key %s; in %.0f s, when every process has read it: ezscale secrets promote %s --apply\n", order.Key, secrets.Settle.Seconds(), order.Key)
		return nil
	})
}

func newPromoteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "promote KEY",
		Short: "Let a key of the ring seal from now on",
		Long: `Lets another key of the ring seal. It is refused within two minutes of the ring's last change, for a process that has not read the
ring since could not open what is sealed by a key that it does not know; --now does it all the same: such a process
reads the ring again when it meets the key, but not oftener than every two seconds.`,
		Example: "  ezscale secrets promote 1a2b3c4d\n  ezscale secrets promote 1a2b3c4d --apply",
		Args:    oneKey,
	}
	now := addNow(cmd)
	return change(cmd, func(ctx context.Context, out io.Writer, d *desk, args []string, apply bool) error {
		ring, key, err := d.chosen(ctx, args[0])
		if err != nil {
			return err
		}
		order, err := secrets.NewPromoteKey(ring, key, *now)
		if err != nil {
			return err
		}
		if !apply {
			fmt.Fprintf(out, "key %s would seal instead of %s\n", key, ring.Primary)
			return tellUnsettled(out, ring.State, *now)
		}
		if _, err := run(ctx, d, order); err != nil {
			return err
		}
		fmt.Fprintf(out, "key %s seals; what %s has sealed is renewed within the hour, or now: ezscale secrets renew --apply\n", key, ring.Primary)
		return nil
	})
}

func newRemoveKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove-key KEY",
		Short: "Take a key out of the ring for good, when nothing is sealed by it any more",
		Long: `Takes a key away for good. It is refused for the primary, while any value is sealed by the key, and within two minutes of the
ring's last change. --now does not wait: a process that still seals by the key could then not write what it
sealed, until it reads the ring again.`,
		Example: "  ezscale secrets remove-key 5e6f7a8b\n  ezscale secrets remove-key 5e6f7a8b --apply",
		Args:    oneKey,
	}
	now := addNow(cmd)
	return change(cmd, func(ctx context.Context, out io.Writer, d *desk, args []string, apply bool) error {
		ring, key, err := d.chosen(ctx, args[0])
		if err != nil {
			return err
		}
		order, err := secrets.NewRemoveKey(ring, key, *now)
		if err != nil {
			return err
		}
		if !apply {
			if err := tellValues(ctx, out, d, key); err != nil {
				return err
			}
			return tellUnsettled(out, ring.State, *now)
		}
		if _, err := run(ctx, d, order); err != nil {
			return err
		}
		fmt.Fprintf(out, "removed key %s; backups of the database from before still have it, wrapped\n", key)
		return nil
	})
}

func addNow(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("now", false, "do not wait until every process has read the ring's last change")
}

func tellValues(ctx context.Context, out io.Writer, d *desk, key vault.KeyID) error {
	columns, err := vault.Columns(ctx, d.Pool)
	if err != nil {
		return err
	}
	counted, err := vault.Count(ctx, d.Pool, columns)
	if err != nil {
		return err
	}
	if n := vault.SealedBy(counted, key); n > 0 {
		fmt.Fprintf(out, "key %s would be refused: it has sealed %d values that are still there; ezscale secrets renew --apply\n", key, n)
		return nil
	}
	fmt.Fprintf(out, "key %s would be removed: nothing is sealed by it\n", key)
	return nil
}

func tellUnsettled(out io.Writer, ring vault.State, now bool) error {
	if left := secrets.Settle - ring.Age; left > 0 && !now {
		fmt.Fprintf(out, "not before %.0f s from now, when every process has read the ring's last change\n", left.Seconds())
	}
	return nil
}

func newRenewCommand() *cobra.Command {
	return change(&cobra.Command{
		Use:   "renew",
		Short: "Seal anew, with the primary key, what other keys have sealed",
		Long: `Goes over all sealed columns and seals anew what keys other than the primary have sealed. The jobs role does the same every hour.
It may run while the platform works, be interrupted, and be run again. Exit code 1: some values do not open.`,
		Example: "  ezscale secrets renew\n  ezscale secrets renew --apply",
		Args:    noArgs,
	}, func(ctx context.Context, out io.Writer, d *desk, _ []string, apply bool) error {
		box := vault.New(vault.Config{KEKs: d.keks, Now: machineNow}, d.Pool, d.Log, prometheus.NewRegistry())
		if _, err := d.current(ctx); err != nil { // says why not, where the vault tells its callers little
			return err
		}
		renewal, err := box.Renewal(ctx)
		if err != nil {
			return err
		}
		if !apply {
			fmt.Fprintf(out, "%d values would be sealed anew\n", renewal.Total)
			return nil
		}
		return renewAll(ctx, out, renewal)
	})
}

func renewAll(ctx context.Context, out io.Writer, renewal *vault.Renewal) error {
	bar := terminal.NewProgress(os.Stderr, "values", false)
	defer bar.Finish()
	for more := true; more; {
		var err error
		if more, err = renewal.Next(ctx); err != nil {
			return fmt.Errorf("after %d values (run it again for those that are left): %w", renewal.Done(), err)
		}
		bar.Set(renewal.Done(), max(renewal.Total, renewal.Done()))
	}
	bar.Finish()
	fmt.Fprintf(out, "sealed %d values anew; %d were written by others meanwhile\n", renewal.Renewed, renewal.Changed)
	if renewal.Failed > 0 {
		return fmt.Errorf("%d values do not open, as the log says: they were altered or moved, and must be entered anew", renewal.Failed)
	}
	return nil
}
