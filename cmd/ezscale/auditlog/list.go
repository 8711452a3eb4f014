package auditlog

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/audit"
)

const shownChange = 80 // characters

type listFlags struct {
	client                                   tools.Connection
	actor, command, object, from, to, cursor string
	limit                                    int
	asJSON                                   bool
}

func newListCommand() *cobra.Command {
	var f listFlags
	command := &cobra.Command{
		Use:     "list",
		Short:   "What was ordered, newest first",
		Example: "  ezscale audit list --actor staff: --from 2026-01-01\n  ezscale audit list --command catalog.ChangePlan --json\n  ezscale audit list --object service:01890a5d-ac96-774b-bcce-b302099a8057",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.client.Add(command)
	set := command.Flags()
	set.StringVar(&f.actor, "actor", "", "who ordered: customer:ID; or a kind with its colon, staff:")
	set.StringVar(&f.command, "command", "", "what was ordered: catalog.ChangePlan; or a context with its point, billing.")
	set.StringVar(&f.object, "object", "", "what it was about: its type, its id, or type:id")
	set.StringVar(&f.from, "from", "", "first moment: 2026-01-01 or 2026-01-01T12:00:00Z")
	set.StringVar(&f.to, "to", "", "moment to stop before")
	set.IntVar(&f.limit, "limit", query.DefaultLimit, fmt.Sprintf("rows of a page, at most %d", query.MaxLimit))
	set.StringVar(&f.cursor, "cursor", "", "go on where a page ended")
	set.BoolVar(&f.asJSON, "json", false, "print a JSON object with items and next_cursor")
	return command
}

func (f *listFlags) run(cmd *cobra.Command) error {
	values, err := tools.HourRange(f.from, f.to)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"actor": f.actor, "command": f.command, "object": f.object, "cursor": f.cursor, "limit": strconv.Itoa(f.limit)} {
		if value != "" {
			values.Set(name, value)
		}
	}
	platform, err := f.client.Connect()
	if err != nil {
		return err
	}
	var page query.List[audit.Entry]
	if err := platform.Get(cmd.Context(), "/audit", values, &page); err != nil {
		return err
	}
	if f.asJSON {
		return terminal.JSON(cmd.OutOrStdout(), page)
	}
	return printEntries(cmd.OutOrStdout(), cmd.ErrOrStderr(), page, values)
}

func printEntries(out, notes io.Writer, page query.List[audit.Entry], asked url.Values) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "number\tat\tactor\tfrom\tcommand\tobject\twhat")
	for _, e := range page.Items {
		number, from := "–", "–"
		if e.Sequence != nil {
			number = strconv.FormatInt(*e.Sequence, 10)
		}
		if e.IP != nil {
			from = *e.IP
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s %s\t%s\n", number, e.At.UTC().Format(time.RFC3339), e.Actor, from, e.Command, e.Object.Type, e.Object.ID, what(e))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	if page.NextCursor != "" {
		fmt.Fprintf(notes, "there is more: --limit %s --cursor %s\n", asked.Get("limit"), page.NextCursor)
	}
	return nil
}

// what is the change in short, or else the order.
func what(e audit.Entry) string {
	text := string(e.Input)
	switch {
	case e.Erased:
		return "(erased)"
	case e.Before != nil || e.After != nil:
		text = cmp.Or(string(e.Before), "{}") + " → " + cmp.Or(string(e.After), "{}")
	}
	if runes := []rune(text); len(runes) > shownChange {
		text = string(runes[:shownChange-1]) + "…"
	}
	return text
}
