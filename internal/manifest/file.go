package manifest

import (
	"fmt"
	"strings"

	"github.com/ezscale/platform/internal/manifest/faults"
)

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
func (f *File) fault(path, format string, args ...any) faults.Error {
	e := faults.Error{File: f.name, Path: path, Message: fmt.Sprintf(format, args...)}
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
