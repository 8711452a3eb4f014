package secretring

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/secret/vault"
)

// status is what is known of the ring and of what it sealed.
type status struct {
	Version   int64     `json:"version"`
	UpdatedAt time.Time `json:"updated_at"`
	WrappedBy string    `json:"wrapped_by"`
	OpensBy   string    `json:"opens_by,omitempty"` // empty: it does not
	Trouble   string    `json:"trouble,omitempty"`
	Keys      []keyLine `json:"keys"`
	Columns   []colLine `json:"columns"`
	state     vault.State
}

// keyLine is a key, in the ring or not, and how many values it has sealed.
type keyLine struct {
	Key    vault.KeyID `json:"key"`
	Role   string      `json:"role"` // primary, reads, missing
	Values int64       `json:"values"`
}

type colLine struct {
	Column   string `json:"column"`
	Values   int64  `json:"values"`
	Unsealed int64  `json:"unsealed"`
}

func newStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "The keys of the ring, how many values each has sealed, and the key that wraps the ring",
		Long: `Shows the ring and counts the values by key, column by column; it reads every sealed value's first bytes and opens none.
A key is the primary, which seals; or it reads; or it is missing, and its values cannot be opened.`,
		Example: "  ezscale secrets status\n  ezscale secrets status --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := open(cmd)
			if err != nil {
				return err
			}
			defer d.Close()
			s, err := d.status(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return terminal.JSON(cmd.OutOrStdout(), s)
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func (d *desk) status(cmd *cobra.Command) (status, error) {
	ctx := cmd.Context()
	state, err := d.read(ctx)
	if err != nil {
		return status{}, err
	}
	columns, err := vault.Columns(ctx, d.Pool)
	if err != nil {
		return status{}, err
	}
	counted, err := vault.Count(ctx, d.Pool, columns)
	if err != nil {
		return status{}, err
	}
	s := status{Version: state.Version, UpdatedAt: state.UpdatedAt, WrappedBy: state.WrappedBy(), Columns: []colLine{}, state: state}
	if opened, err := state.Open(d.keks); err != nil {
		s.Trouble = err.Error()
	} else {
		s.OpensBy = opened.By.String()
	}
	s.count(counted)
	return s, nil
}

func (s *status) count(counted []vault.Counted) {
	foreign := map[vault.KeyID]int64{}
	for _, c := range counted {
		line := colLine{Column: c.String(), Unsealed: c.Unsealed}
		for key, n := range c.ByKey {
			line.Values += n
			if !slices.Contains(s.state.Keys, key) {
				foreign[key] += n
			}
		}
		s.Columns = append(s.Columns, line)
	}
	for _, key := range s.state.Keys {
		role := "reads"
		if key == s.state.Primary {
			role = "primary"
		}
		s.Keys = append(s.Keys, keyLine{key, role, vault.SealedBy(counted, key)})
	}
	for _, key := range slices.Sorted(maps.Keys(foreign)) {
		s.Keys = append(s.Keys, keyLine{key, "missing", foreign[key]})
	}
}

func (s *status) print(out io.Writer) error {
	fmt.Fprintf(out, "ring        version %d, changed %s\nwrapped by  %s\n", s.Version, s.UpdatedAt.UTC().Format(time.RFC3339), s.WrappedBy)
	if s.OpensBy != "" {
		fmt.Fprintf(out, "opens by    %s\n", s.OpensBy)
	} else {
		fmt.Fprintf(out, "DOES NOT OPEN here: %s\n", s.Trouble)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nKEY\tROLE\tVALUES")
	for _, key := range s.Keys {
		fmt.Fprintf(w, "%s\t%s\t%d\n", key.Key, key.Role, key.Values)
	}
	if len(s.Columns) > 0 {
		fmt.Fprintln(w, "\nCOLUMN\tVALUES\tNOT SEALED")
	}
	for _, column := range s.Columns {
		fmt.Fprintf(w, "%s\t%d\t%d\n", column.Column, column.Values, column.Unsealed)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the ring: %w", err)
	}
	return nil
}
