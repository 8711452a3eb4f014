// Package auditlog is what people do with the audit log on the command line: list it, by way of the API; export its
// signed heads and verify it whole, on Postgres itself, for who verifies should trust as little as possible. It also
// keeps the key that signs.
package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/postgres"
)

const (
	headsPage     = 1000
	verifyMaxConn = 2
)

// NewCommand lists, exports and verifies the audit log.
func NewCommand() *cobra.Command {
	command := &cobra.Command{Use: "audit", Short: "What was ordered and by whom: list it, verify that nobody changed it"}
	command.AddCommand(newListCommand(), newVerifyCommand(), newHeadsCommand(), newKeyCommand())
	return command
}

// open connects to Postgres as the read side.
func open(cmd *cobra.Command) (config.Config, *pgxpool.Pool, error) {
	cfg, _, err := operator.Config(cmd)
	if err != nil {
		return cfg, nil, err
	}
	pool, err := postgres.Open(cmd.Context(), postgres.Config{DSN: cfg.Postgres, Role: postgres.RoleQuery, MaxConns: verifyMaxConn,
		ApplicationName: cmd.CommandPath(), StatementTime: statementBound})
	return cfg, pool, err
}

func newHeadsCommand() *cobra.Command {
	var after int64
	command := &cobra.Command{
		Use:   "heads",
		Short: "Export the signed heads of the chain, one JSON object a line",
		Long: "Prints the signed heads of the audit chain, oldest first, one JSON object a line. Keep them where nobody who can\n" +
			"write to the database can write: with them `ezscale audit verify --heads` finds what was cut off or hashed anew.",
		Example: "  ezscale audit heads > heads.jsonl\n  ezscale audit heads --after 52000 | ssh vault 'cat >> heads.jsonl'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, pool, err := open(cmd)
			if err != nil {
				return err
			}
			defer pool.Close()
			out := json.NewEncoder(cmd.OutOrStdout())
			for {
				heads, err := audit.Heads(cmd.Context(), pool, after, headsPage)
				if err != nil {
					return err
				}
				for _, h := range heads {
					if err := out.Encode(h); err != nil {
						return fmt.Errorf("print the heads: %w", err)
					}
					after = h.Sequence
				}
				if len(heads) < headsPage {
					return nil
				}
			}
		},
	}
	operator.AddDataFlag(command)
	command.Flags().Int64Var(&after, "after", 0, "only those after this sequence number")
	return command
}

func newKeyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "key",
		Short: "Print the public key of the audit log's signatures (PEM)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := operator.Config(cmd)
			if err != nil {
				return err
			}
			key, err := signer(cfg)
			if err != nil {
				return err
			}
			if key == nil {
				return errors.New("the key is not on this machine: run this where the jobs role runs, or set EZSCALE_AUDIT_KEY")
			}
			text, err := publicPEM(key)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	operator.AddDataFlag(command)
	return command
}
