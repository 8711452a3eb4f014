// Package report is the command that prints the reports of query/reports, or saves them as files, by way of the API.
package report

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/query/reports"
)

// tableRows is how many rows a table shows unless asked for more.
const tableRows = 50

// flags are what a report may be asked.
type flags struct {
	client                                                  tools.Connection
	from, to, sort, order, exporter, service, state, search string
	format, output                                          string
	port, rate, limit                                       int64
}

// NewCommand prints or saves a report.
func NewCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "report NAME",
		Short: "A report as a table, or as a CSV or Parquet file",
		Long: "Prints a report on traffic, ports, losses or quarantine, or saves it whole. The reports:\n\n" + list() +
			"\nRanges are whole hours UTC; without one: the report's usual span up to now. A table shows the first rows, a file holds all.",
		Example:           "  ezscale report top-services --from 2026-01-01 --to 2026-02-01\n  ezscale report unattributed -o leaks.csv --format csv\n  ezscale report reconciliation --state off --exporter leaf-0",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, args[0])
		},
	}
	f.add(cmd)
	return cmd
}

func (f *flags) add(cmd *cobra.Command) {
	f.client.Add(cmd)
	set := cmd.Flags()
	set.StringVar(&f.from, "from", "", "first hour: 2026-01-01 or 2026-01-01T12:00:00Z")
	set.StringVar(&f.to, "to", "", "hour to stop before")
	set.StringVar(&f.format, "format", "", "table, csv or parquet (default: as the file's name ends; table without a file)")
	set.StringVarP(&f.output, "output", "o", "", "file to write; without: standard output")
	set.StringVar(&f.sort, "sort", "", "column to order by")
	set.StringVar(&f.order, "order", "", "asc or desc")
	set.StringVar(&f.exporter, "exporter", "", "of one exporter, by name or id")
	set.StringVar(&f.service, "service", "", "of one service, by name or id")
	set.Int64Var(&f.port, "port", 0, "of one port, by its ifIndex")
	set.Int64Var(&f.rate, "rate", 0, "of one sampling rate")
	set.StringVar(&f.state, "state", "", "of one state")
	set.StringVar(&f.search, "search", "", "part of a name; an address or prefix where the report is of addresses")
	set.Int64Var(&f.limit, "limit", 0, fmt.Sprintf("first so many rows (default: %d of a table, all of a file)", tableRows))
}

func names() []string {
	var all []string
	for _, r := range reports.Catalogue() {
		all = append(all, r.Name)
	}
	return all
}

func list() string {
	var text strings.Builder
	for _, r := range reports.Catalogue() {
		fmt.Fprintf(&text, "  %-22s %s\n", r.Name, r.Title)
		if len(r.States) > 0 {
			fmt.Fprintf(&text, "  %-22s states: %s\n", "", strings.Join(r.States, ", "))
		}
	}
	return text.String()
}

func (f *flags) run(cmd *cobra.Command, name string) error {
	if !slices.Contains(names(), name) {
		return fmt.Errorf("there is no report %q; there are: %s", name, strings.Join(names(), ", "))
	}
	format, err := f.formatOf()
	if err != nil {
		return err
	}
	query, err := f.query(format, cmd.Flags().Changed)
	if err != nil {
		return err
	}
	platform, err := f.client.Connect()
	if err != nil {
		return err
	}
	read := func(to io.Writer) error {
		return tools.ByFlags(platform.Download(cmd.Context(), "/reports/"+name+"/export", query, to))
	}
	if format == "table" {
		return f.save(cmd.OutOrStdout(), func(to io.Writer) error { return printTable(to, read) })
	}
	return f.save(cmd.OutOrStdout(), read)
}

// formatOf is the format asked for, or what the file's name says.
func (f *flags) formatOf() (string, error) {
	ending := strings.TrimPrefix(filepath.Ext(f.output), ".")
	if !slices.Contains([]string{"csv", "parquet"}, ending) {
		ending = ""
	}
	if f.output != "" && f.format == "" && ending == "" {
		return "", fmt.Errorf("the name of %s ends neither in .csv nor in .parquet: say --format", f.output)
	}
	if info, err := os.Stat(f.output); err == nil && info.IsDir() {
		return "", fmt.Errorf("%s is a directory: -o names a file", f.output)
	}
	format := cmp.Or(f.format, ending, "table")
	if !slices.Contains([]string{"table", "csv", "parquet"}, format) {
		return "", fmt.Errorf("--format is table, csv or parquet, not %q", format)
	}
	if format == "parquet" && f.output == "" {
		return "", errors.New("a Parquet file needs a name: -o FILE")
	}
	return format, nil
}

func (f *flags) query(format string, changed func(flag string) bool) (url.Values, error) {
	query, err := tools.HourRange(f.from, f.to)
	if err != nil {
		return nil, err
	}
	limit := f.limit
	if format == "table" {
		if format = "csv"; !changed("limit") {
			limit = tableRows
		}
	}
	for name, value := range map[string]string{"format": format, "sort": f.sort, "order": f.order, "exporter": f.exporter, "service": f.service, "state": f.state, "q": f.search,
		"if_index": number(f.port, changed("port")), "rate": number(f.rate, changed("rate")), "limit": number(limit, limit != 0 || changed("limit"))} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query, nil
}

func number(n int64, given bool) string {
	if !given {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// save writes to the file, or to out without one. The file gets its name when it is whole.
func (f *flags) save(out io.Writer, write func(io.Writer) error) (err error) {
	if f.output == "" {
		return write(out)
	}
	file, err := os.CreateTemp(filepath.Dir(f.output), ".ezscale-report-*")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(write(file), file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), f.output); err != nil {
		return fmt.Errorf("name the report: %w", err)
	}
	return nil
}

// printTable reads a report and prints it for people.
func printTable(out io.Writer, read func(io.Writer) error) error {
	var file bytes.Buffer
	if err := read(&file); err != nil {
		return err
	}
	return tableOf(out, &file)
}
