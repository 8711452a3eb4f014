package manifest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/ezscale/platform/internal/manifest/faults"
)

// Bounds that keep a hostile file from exhausting the parser.
const (
	maxNesting = 64   // of brackets
	maxIndent  = 1024 // of a line
	maxFaults  = 1000 // looked at; a file that is wrong throughout is not read to its end
)

// reader walks the syntax tree and gathers faults.
type reader struct {
	file    *File
	errs    faults.Errors
	anchors map[string]ast.Node
	broken  map[string]bool // paths that hold something else than fields: nothing below them is missed
}

// Parse reads a manifest. name is what the errors call the file. The error is faults.Errors.
func Parse(name string, text []byte) (*File, error) {
	f := &File{name: name, places: map[string]place{}, lines: strings.Split(string(text), "\n")}
	r := &reader{file: f, anchors: map[string]ast.Node{}, broken: map[string]bool{}}
	if err := r.bounds(text); err != nil {
		return nil, err
	}
	root, err := r.root(text)
	if err != nil {
		return nil, err
	}
	if root != nil {
		r.manifest(root)
	}
	r.check()
	if err := r.errs.OrNil(); err != nil {
		return nil, r.errs.Cut()
	}
	return f, nil
}

func (r *reader) bounds(text []byte) error {
	if len(text) > MaxBytes {
		return faults.Errors{{File: r.file.name, Message: fmt.Sprintf("is larger than %d MiB", MaxBytes>>20)}}
	}
	open := 0
	for _, b := range text {
		switch b {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		}
		if open > maxNesting {
			return faults.Errors{{File: r.file.name, Message: fmt.Sprintf("opens more than %d brackets inside each other", maxNesting)}}
		}
	}
	for i, line := range r.file.lines {
		if len(line)-len(strings.TrimLeft(line, " -?:\t")) > maxIndent {
			return faults.Errors{{File: r.file.name, Line: i + 1, Column: 1, Message: fmt.Sprintf("is indented by more than %d", maxIndent)}}
		}
	}
	return nil
}

// root parses the text; nil for an empty file.
func (r *reader) root(text []byte) (ast.Node, error) {
	tree, err := parser.ParseBytes(text, 0)
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		return nil, faults.Errors{r.at(syntax.Token, "", "%s", syntax.Message)}
	}
	if err != nil {
		return nil, faults.Errors{{File: r.file.name, Message: err.Error()}}
	}
	var root ast.Node
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.NullType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return nil, faults.Errors{r.at(doc.Body.GetToken(), "", "a manifest is one document")}
		}
		root = doc.Body
	}
	return root, nil
}

func (r *reader) at(t *token.Token, path, format string, args ...any) faults.Error {
	e := faults.Error{File: r.file.name, Path: path, Message: fmt.Sprintf(format, args...)}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
		e.Source = r.file.line(e.Line)
	}
	return e
}

func (r *reader) refuse(n ast.Node, path, format string, args ...any) {
	r.keep(r.at(n.GetToken(), path, format, args...))
}

func (r *reader) keep(e faults.Error) {
	if len(r.errs) < maxFaults {
		r.errs = append(r.errs, e)
	}
}

// add notes a fault of a value that was read, at its place.
func (r *reader) add(path, format string, args ...any) {
	r.keep(r.file.fault(path, format, args...))
}

// resolve follows anchors and aliases.
func (r *reader) resolve(n ast.Node) ast.Node {
	for range maxNesting {
		switch v := n.(type) {
		case *ast.AnchorNode:
			r.anchors[v.Name.GetToken().Value] = v.Value
			n = v.Value
		case *ast.AliasNode:
			target, ok := r.anchors[v.Value.GetToken().Value]
			if !ok {
				return n
			}
			n = target
		default:
			return n
		}
	}
	return n
}

func (r *reader) place(n ast.Node, path string) {
	if t := n.GetToken(); t != nil && t.Position != nil {
		r.file.places[path] = place{t.Position.Line, t.Position.Column}
	}
}

// fields reads a mapping whose fields are among known. Values that are null count as absent.
func (r *reader) fields(n ast.Node, path string, known ...string) map[string]ast.Node {
	r.place(n, path)
	var pairs []*ast.MappingValueNode
	switch v := r.resolve(n).(type) {
	case *ast.MappingNode:
		pairs = v.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{v}
	default:
		r.refuse(n, path, "must be a set of fields: %s", strings.Join(known, ", "))
		r.broken[path] = true
		return nil
	}
	found := make(map[string]ast.Node, len(pairs))
	for i, pair := range pairs {
		key := pair.Key.GetToken()
		if i == 0 && path != "" {
			r.place(pair.Key, path)
		}
		at := join(path, key.Value)
		if !contains(known, key.Value) {
			r.keep(r.at(key, at, "is no field here; the fields are %s", strings.Join(known, ", ")))
			continue
		}
		r.place(pair.Key, at)
		if value := r.resolve(pair.Value); value != nil && value.Type() != ast.NullType {
			r.place(pair.Value, at)
			found[key.Value] = pair.Value
		}
	}
	return found
}

func contains(known []string, key string) bool {
	for _, k := range known {
		if k == key {
			return true
		}
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// list reads a sequence; nil when the field is absent.
func (r *reader) list(n ast.Node, path string) []ast.Node {
	if n == nil {
		return nil
	}
	sequence, ok := r.resolve(n).(*ast.SequenceNode)
	if !ok {
		r.refuse(n, path, "must be a list")
		return nil
	}
	for i, value := range sequence.Values {
		r.place(value, element(path, i))
	}
	return append([]ast.Node{}, sequence.Values...)
}

// text reads a string; "" when the field is absent. Anything else than a text is a fault that says how to write it.
func (r *reader) text(n ast.Node, path string) string {
	if n == nil {
		return ""
	}
	switch v := r.resolve(n).(type) {
	case *ast.StringNode:
		return v.Value
	case *ast.LiteralNode:
		return strings.TrimSuffix(v.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.refuse(n, path, "must be a text; write it in quotes: %q", v.GetToken().Value)
	default:
		r.refuse(n, path, "must be a text")
	}
	return ""
}

// decimal reads a number as it is written, quoted or not: it never passes through a float.
func (r *reader) decimal(n ast.Node, path string) string {
	if n == nil {
		return ""
	}
	switch v := r.resolve(n).(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return v.GetToken().Value
	}
	return r.text(n, path)
}

// integer reads a whole number.
func (r *reader) integer(n ast.Node, path string) int64 {
	if n == nil {
		return 0
	}
	if v, ok := r.resolve(n).(*ast.IntegerNode); ok {
		if value, err := strconv.ParseInt(v.GetToken().Value, 10, 64); err == nil {
			return value
		}
	}
	r.refuse(n, path, "must be a whole number")
	return 0
}
