package auditlog

import (
	"bufio"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/internal/config"
)

// exitBroken is the exit code that says that the log was tampered with; 1 says that it could not be verified.
const exitBroken = 2

const (
	statementBound = 10 * time.Minute
	maxHeadBytes   = 64 << 10 // of one line
)

type verifyFlags struct {
	heads  string
	keys   []string
	asJSON bool
}

func newVerifyCommand() *cobra.Command {
	var f verifyFlags
	command := &cobra.Command{
		Use:   "verify",
		Short: "Walk the whole audit log and name the first row that somebody changed",
		Long: `Reads the audit log in order, hashes every row again, and compares with the chain, with the signed heads in the
database, and with heads that were exported before (--heads). The first thing that is wrong is named: a row that was
changed, deleted, put elsewhere or put in, a tail that was cut off, rows that were hashed anew, a signature by another key.

Whose signatures count: --public-key, which may be given several times; else the keys in the file of --heads, and the key
of this machine if it has one. Heads that nobody kept elsewhere prove less: who owns the database can delete them.

Exit code 0: nothing is wrong. 2: something is. 1: it could not be verified.`,
		Example: "  ezscale audit verify --heads heads.jsonl\n  ezscale audit verify --heads heads.jsonl --public-key audit.pub --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	command.Flags().StringVar(&f.heads, "heads", "", "file of heads that `ezscale audit heads` printed")
	command.Flags().StringArrayVar(&f.keys, "public-key", nil, "PEM file of a key whose signatures count; may be repeated")
	command.Flags().BoolVar(&f.asJSON, "json", false, "print a JSON object")
	operator.AddDataFlag(command)
	return command
}

func (f *verifyFlags) run(cmd *cobra.Command) error {
	cfg, pool, err := open(cmd)
	if err != nil {
		return err
	}
	defer pool.Close()
	options, err := f.options(cfg)
	if err != nil {
		return err
	}
	progress := terminal.NewProgress(os.Stderr, "audit rows", false)
	options.Progress = progress.Set
	report, err := audit.Verify(cmd.Context(), pool, options)
	progress.Finish()
	if err != nil {
		return err
	}
	if f.asJSON {
		err = terminal.JSON(cmd.OutOrStdout(), report)
	} else {
		printReport(cmd.OutOrStdout(), report)
	}
	if err == nil && !report.Intact {
		return tools.ExitError{Code: exitBroken}
	}
	return err
}

func (f *verifyFlags) options(cfg config.Config) (o audit.Options, err error) {
	if f.heads != "" {
		if o.Heads, err = readHeads(f.heads); err != nil {
			return o, err
		}
	}
	for _, path := range f.keys {
		key, err := readPublicKey(path)
		if err != nil {
			return o, err
		}
		o.Keys = append(o.Keys, key)
	}
	if len(o.Keys) > 0 {
		return o, nil
	}
	for _, h := range o.Heads {
		if !slices.ContainsFunc(o.Keys, func(k ed25519.PublicKey) bool { return k.Equal(h.Key) }) {
			o.Keys = append(o.Keys, h.Key)
		}
	}
	own, err := signer(cfg)
	if own != nil {
		o.Keys = append(o.Keys, own)
	}
	return o, err
}

// signer is the public key of this machine; nil: it has none.
func signer(cfg config.Config) (ed25519.PublicKey, error) {
	key, err := existingKey(cfg)
	if err != nil || key == nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}

func readHeads(path string) ([]audit.Head, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the heads: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxHeadBytes)
	var heads []audit.Head
	for number := 1; lines.Scan(); number++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var h audit.Head
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
		heads = append(heads, h)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the heads: %w", err)
	}
	if len(heads) == 0 {
		return nil, fmt.Errorf("%s holds no heads", path)
	}
	return heads, nil
}

func printReport(out io.Writer, r audit.Report) {
	if r.Finding != nil {
		fmt.Fprintf(out, "BROKEN (%s): %s\n", r.Finding.Kind, r.Finding.Detail)
		if r.Finding.Sequence > 1 {
			fmt.Fprintf(out, "the rows before number %d are as they were sealed\n", min(r.Finding.Sequence, r.Rows+1))
		}
		return
	}
	fmt.Fprintf(out, "intact: %d rows, %d signed heads (%d of them from elsewhere)\n", r.Rows, r.Heads, r.Outside)
	if r.SignedAt != nil {
		fmt.Fprintf(out, "signed up to number %d, at %s\n", r.Signed, r.SignedAt.Format(time.RFC3339))
	}
	if r.Erased > 0 {
		fmt.Fprintf(out, "the personal fields of %d rows were erased by order; the orders are in the log\n", r.Erased)
	}
	if r.Unsealed > 0 {
		fmt.Fprintf(out, "%d rows are not sealed yet\n", r.Unsealed)
	}
	if !r.Trusted {
		fmt.Fprintln(out, "no key was given: the signatures were only held against the keys that they name themselves")
	}
	if r.Outside == 0 {
		fmt.Fprintln(out, "no heads from elsewhere: a tail that was cut off together with its heads would not be seen")
	}
}
