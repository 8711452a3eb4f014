// Package secretring is what people do with the keys of the secrets on the command line: look at them, exchange them,
// step by step. It works on Postgres itself, for it needs the key that wraps the ring, which no API has. It also decides
// where that key is, and when one is made.
package secretring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/secret/vault"
)

const (
	actor      = "staff:command-line"
	exitMisuse = 2
)

// NewCommand shows and exchanges the keys of secrets.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets",
		Short: "The keys that secrets in the database are sealed with: look at them, exchange them",
		Long: `Secrets (TOTP seeds, passwords of gateways and registrars) lie in the database sealed by the keys of a ring. The ring lies
there too, wrapped by a key that does not: EZSCALE_SECRET_KEY, or secrets/secret-key below the data directory.

To exchange the sealing key: add-key, promote, renew, remove-key, with two minutes between. To exchange the wrapping key:
rewrap. Whatever changes something shows what it would do, and does it with --apply.`,
		Example: "  ezscale secrets status\n  ezscale secrets add-key --apply\n  ezscale secrets promote 1a2b3c4d --apply\n  ezscale secrets renew --apply\n  ezscale secrets remove-key 5e6f7a8b --apply",
	}
	operator.AddDataFlag(cmd)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misuse(cmd, "%v", err) })
	cmd.AddCommand(newStatusCommand(), newInitCommand(), newAddKeyCommand(), newPromoteCommand(), newRenewCommand(), newRemoveKeyCommand(), newRewrapCommand())
	return cmd
}

// misuse says what is wrong with the input.
func misuse(cmd *cobra.Command, format string, args ...any) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "ezscale: %s; usage: %s\n", fmt.Sprintf(format, args...), cmd.UseLine())
	return tools.ExitError{Code: exitMisuse}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuse(cmd, "%q is one argument too many", args[0])
	}
	return nil
}

func oneKey(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misuse(cmd, "name one key of the ring; `ezscale secrets status` lists them")
	}
	if _, err := keyID(args[0]); err != nil {
		return misuse(cmd, "%v", err)
	}
	return nil
}

// keyID reads an id as status prints it.
func keyID(text string) (vault.KeyID, error) {
	id, err := strconv.ParseUint(text, 16, 32)
	if err != nil || len(text) != 8 {
		return 0, fmt.Errorf("%q is not the id of a key, which has eight hexadecimal digits, as in 1a2b3c4d", text)
	}
	return vault.KeyID(id), nil
}

// desk is an operator's connection, with what opens the ring.
type desk struct {
	*operator.Platform
	keks vault.KEKs
}

func open(cmd *cobra.Command) (*desk, error) {
	platform, err := operator.Open(cmd, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	keks, err := KEKs(platform.Config)
	if err != nil {
		platform.Close()
		return nil, err
	}
	return &desk{platform, keks}, nil
}

// read reads the ring as it is now.
func (d *desk) read(ctx context.Context) (vault.State, error) {
	state, err := vault.Read(ctx, d.Pool)
	return state, toInit(err)
}

// current is the ring as it is now, opened.
func (d *desk) current(ctx context.Context) (vault.Opened, error) {
	opened, err := vault.Current(ctx, d.Pool, d.keks)
	return opened, toInit(err)
}

// toInit says how a ring is made where there is none.
func toInit(err error) error {
	if errors.Is(err, vault.ErrNoRing) {
		return fmt.Errorf("%w: `ezscale secrets init` makes it", err)
	}
	return err
}

// chosen is the ring of this moment, and the key that was named.
func (d *desk) chosen(ctx context.Context, text string) (vault.Opened, vault.KeyID, error) {
	ring, err := d.current(ctx)
	if err != nil {
		return ring, 0, err
	}
	key, err := keyID(text)
	return ring, key, err
}

type noWaker struct{}

func (noWaker) Wake() {}

// run gives an order.
func run(ctx context.Context, d *desk, order command.Command[secrets.Ring]) (secrets.Ring, error) {
	db := command.NewDB(d.Pool, noWaker{}, d.Log, prometheus.NewRegistry()) // no order about the ring has events
	return command.Run(ctx, db, command.Meta{Actor: actor, Now: d.Clock.Now(), NewID: newID}, order)
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// preview ends a change that was not to be applied.
func preview(cmd *cobra.Command, apply bool) bool {
	if !apply {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing was changed: --apply does it")
	}
	return !apply
}

func machineNow() time.Time { return time.Now() }

func lookup(name string) (string, bool) { return os.LookupEnv(name) }
