package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one fault of a manifest, where it stands. Line and Column are 0 when the fault is of no place.
type Error struct {
	File    string
	Line    int // from 1
	Column  int // from 1, in characters
	Path    string
	Message string
	Source  string // the line itself
}

// Error is "file:line:column: path: message", then the line with a caret under the column.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(": " + e.Path)
	}
	b.WriteString(": " + e.Message)
	if e.Source != "" {
		source, column := window(e.Source, e.Column)
		fmt.Fprintf(&b, "\n  %s\n  %s^", source, strings.Repeat(" ", column-1))
	}
	return b.String()
}

// maxSource is how much of a line is shown.
const maxSource = 120

// window cuts a long line to what is around the column, with tabs as single blanks so that the caret fits.
func window(line string, column int) (string, int) {
	runes := []rune(strings.ReplaceAll(line, "\t", " "))
	column = min(max(column, 1), len(runes)+1)
	from := 0
	if column > maxSource {
		from = column - maxSource/2
	}
	to := min(from+maxSource, len(runes))
	return string(runes[from:to]), column - from
}

// Errors are all faults of a manifest, in the order of the file.
type Errors []Error

// Error is every fault, one after the other.
func (e Errors) Error() string {
	parts := make([]string, len(e))
	for i, fault := range e {
		parts[i] = fault.Error()
	}
	return strings.Join(parts, "\n")
}

// orNil is nil when there is no fault, else the faults sorted by place.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return e
}

// cut keeps the first maxErrors and says how many more there are.
func (e Errors) cut() Errors {
	if len(e) <= maxErrors {
		return e
	}
	more := Error{File: e[0].File, Message: fmt.Sprintf("and %d more", len(e)-maxErrors)}
	return append(e[:maxErrors:maxErrors], more)
}

// place is where a field stands.
type place struct{ line, column int }

// File is a manifest that was read: its objects, and where each of their fields stands.
type File struct {
	Manifest
	name   string
	lines  []string
	places map[string]place
}

// fault makes an error at the place of a path, or of the nearest path above it that the file has.
func (f *File) fault(path, format string, args ...any) Error {
	e := Error{File: f.name, Path: path, Message: fmt.Sprintf(format, args...)}
	for at := path; at != ""; at = above(at) {
		if p, ok := f.places[at]; ok {
			e.Line, e.Column, e.Source = p.line, p.column, f.line(p.line)
			return e
		}
	}
	return e
}

// above is the path of what holds a field: "a[0].b" is in "a[0]", which is in "a".
func above(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func (f *File) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return strings.TrimRight(f.lines[n-1], "\r")
}
