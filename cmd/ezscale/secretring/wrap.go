package secretring

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

func newInitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the ring, once, and the key that wraps it where none is named",
		Long: `Makes the ring of keys, which ` + "`ezscale up`" + ` has done already, and ` + "`ezscale migrate`" + ` where it found a key. The key that wraps it
is the one that EZSCALE_SECRET_KEY names, which must be there (openssl rand -base64 32); or, where it names none,
secrets/secret-key below the data directory, which is made. Back that key up, apart from the database: without it all secrets are lost.

--replace-lost begins anew when that has happened: a new ring, and every secret must be entered again.`,
		Example: "  ezscale secrets init --apply\n  EZSCALE_SECRET_KEY=file:/etc/ezscale/secret-key ezscale secrets init --apply",
		Args:    noArgs,
	}
	lost := cmd.Flags().Bool("replace-lost", false, "the wrapping key is lost: give up all that was sealed")
	return change(cmd, func(ctx context.Context, out io.Writer, d *desk, _ []string, apply bool) error {
		if *lost {
			return replaceLost(ctx, out, d, apply)
		}
		state, err := vault.Read(ctx, d.Pool)
		if err == nil {
			return fmt.Errorf("there is a ring already, wrapped by %s", state.WrappedBy())
		}
		if !errors.Is(err, vault.ErrNoRing) {
			return err
		}
		if !apply {
			fmt.Fprintf(out, "a ring would be made, wrapped by %s%s\n", d.keks.URI, madeToo(d))
			return nil
		}
		db := command.NewDB(d.Pool, noWaker{}, d.Log, prometheus.NewRegistry())
		made, err := create(ctx, d.Config, db, command.Meta{Actor: actor, Now: d.Clock.Now(), NewID: newID})
		if err != nil {
			return err
		}
		if !made {
			return errors.New("another process made the ring in this moment: look at `ezscale secrets status`")
		}
		fmt.Fprintf(out, "made the ring, wrapped by %s: back that key up, apart from the database\n", d.keks.URI)
		return nil
	})
}

func madeToo(d *desk) string {
	if hasKEK(d.Config) {
		return ""
	}
	return ", which would be made too"
}

// replaceLost begins anew, if the ring really does not open. It is read once, so that a database that does not answer is
// never taken for a key that is lost.
func replaceLost(ctx context.Context, out io.Writer, d *desk, apply bool) error {
	state, err := d.read(ctx)
	if err != nil {
		return err
	}
	opened, err := state.Open(d.keks)
	if err == nil {
		return fmt.Errorf("the ring opens by %s: nothing is lost", opened.By)
	}
	if errors.Is(err, keyring.ErrKMS) {
		return fmt.Errorf("who does not answer has not lost the key; where it is gone for good, take it out of EZSCALE_SECRET_KEY and EZSCALE_SECRET_KEY_OLD: %w", err)
	}
	fmt.Fprintf(out, "the ring does not open: %v\n", err)
	lost, err := d.values(ctx)
	if err != nil {
		return err
	}
	if !apply {
		fmt.Fprintf(out, "a new one would be made, wrapped by %s%s; %d values would have to be entered again: look for the key in every backup before\n", d.keks.URI, madeToo(d), lost)
		return nil
	}
	if err := makeKEK(d.Config); err != nil {
		return err
	}
	kek, err := d.keks.Open()
	if err != nil {
		return err
	}
	order, err := secrets.NewReplaceRing(state, kek)
	if err != nil {
		return err
	}
	if _, err := run(ctx, d, order); err != nil {
		return err
	}
	fmt.Fprintf(out, "made a new ring, wrapped by %s; %d values have to be entered again, as `ezscale secrets status` counts under missing keys\n", kek, lost)
	return nil
}

// values is how many sealed values there are.
func (d *desk) values(ctx context.Context) (n int64, err error) {
	columns, err := vault.Columns(ctx, d.Pool)
	if err != nil {
		return 0, err
	}
	counted, err := vault.Count(ctx, d.Pool, columns)
	for _, c := range counted {
		for _, values := range c.ByKey {
			n += values
		}
	}
	return n, err
}

// same tells what wrapping by the same key is good for.
func same(kek *keyring.KEK) string {
	if _, local := kek.ID(); local {
		return "only where it lies is written down anew"
	}
	return "its newest version wraps"
}

func newRewrapCommand() *cobra.Command {
	return change(&cobra.Command{
		Use:   "rewrap",
		Short: "Wrap the ring by another key: by the one that EZSCALE_SECRET_KEY names now",
		Long: `Wraps the ring anew, by the key that EZSCALE_SECRET_KEY names (or the one in the data directory); EZSCALE_SECRET_KEY_OLD names the one
that has wrapped it. First let every role start with both, then rewrap, then take the old one away. No value is sealed
anew: who had the old key and the ring has the ring's keys, so after a leak exchange these, too. A key in Vault that was rotated there wraps by its newest version when this is run with it alone.`,
		Example: "  EZSCALE_SECRET_KEY=file:/etc/ezscale/key-2 EZSCALE_SECRET_KEY_OLD=file:/etc/ezscale/key-1 ezscale secrets rewrap --apply",
		Args:    noArgs,
	}, func(ctx context.Context, out io.Writer, d *desk, _ []string, apply bool) error {
		ring, err := d.current(ctx)
		if err != nil {
			return err
		}
		kek, err := d.keks.Open()
		if err != nil {
			return err
		}
		then := "; when every role has it as EZSCALE_SECRET_KEY, take the old key away"
		if kek.String() == ring.By.String() {
			if _, local := kek.ID(); ring.KEK == kek.String() && local {
				return fmt.Errorf("the ring is wrapped by %s already: name the new key in EZSCALE_SECRET_KEY and this one in EZSCALE_SECRET_KEY_OLD", ring.WrappedBy())
			}
			fmt.Fprintln(out, "it is the same key; "+same(kek))
			then = ""
		}
		order, err := secrets.NewRewrapRing(ring, kek)
		if err != nil {
			return err
		}
		if !apply {
			fmt.Fprintf(out, "the ring, wrapped by %s, would be wrapped by %s\n", ring.WrappedBy(), kek)
			return nil
		}
		if _, err := run(ctx, d, order); err != nil {
			return err
		}
		fmt.Fprintf(out, "the ring is wrapped by %s%s\n", kek, then)
		return nil
	})
}
