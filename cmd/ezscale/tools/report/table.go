package report

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ezscale/platform/internal/bytesize"
)

// tableOf prints a CSV report: no ids, byte counts with their units, a dash for what is not known.
func tableOf(out io.Writer, file io.Reader) error {
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("read the report: %w", err)
	}
	if len(rows) == 0 {
		return errors.New("read the report: it has no header")
	}
	var shown []int
	for i, name := range rows[0] {
		if name != "id" && name != "batch" && !strings.HasSuffix(name, "_id") {
			shown = append(shown, i)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for n, row := range rows {
		for _, i := range shown {
			text := strings.ReplaceAll(row[i], "_", " ")
			if n > 0 {
				text = cellOf(rows[0][i], row[i])
			}
			fmt.Fprint(w, text, "\t")
		}
		fmt.Fprintln(w)
	}
	if len(rows) == 1 {
		fmt.Fprintln(w, "nothing in that range\t")
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

// cellOf is a cell as people read it; text keeps to its line.
func cellOf(column, text string) string {
	if text == "" {
		return "–"
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && isBytes(column) {
		return bytesize.Format(n)
	}
	if len(text) > 1 && text[0] == '\'' && strings.ContainsRune("=+-@", rune(text[1])) {
		text = text[1:] // a mark for spreadsheets
	}
	text = strings.TrimSuffix(text, ":00:00Z") // whole hours
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
}

func isBytes(column string) bool {
	for _, beginning := range []string{"bytes_", "octets", "flow_", "billed_", "frame_length", "ip_length", "open_frame_length", "open_ip_length"} {
		if strings.HasPrefix(column, beginning) {
			return true
		}
	}
	return false
}
