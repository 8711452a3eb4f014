// Package faults is how the faults of a manifest are told: all of them at once, in the order of the file, each with its
// line, column and path, and the line itself with a caret under the place.
package faults

import (
	"fmt"
	"slices"
	"strings"
)

const maxErrors = 100 // told at once

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

// OrNil is nil when there is no fault, else the faults sorted by place.
func (e Errors) OrNil() error {
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

// Cut keeps the first hundred and says how many more there are.
func (e Errors) Cut() Errors {
	if len(e) <= maxErrors {
		return e
	}
	more := Error{File: e[0].File, Message: fmt.Sprintf("and %d more", len(e)-maxErrors)}
	return append(e[:maxErrors:maxErrors], more)
}
