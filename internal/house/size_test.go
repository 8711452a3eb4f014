package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFunctionLines = 70
	maxFileLines     = 500
	maxPackageLines  = 1500 // without tests
)

// source is one parsed Go file of ours.
type source struct {
	path  string
	lines int
	file  *ast.File
	fset  *token.FileSet
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "var" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path: strings.TrimPrefix(path, root+"/"), lines: strings.Count(string(text), "\n"), file: file, fset: fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNothingGrowsTooLong(t *testing.T) {
	t.Parallel()
	packageLines := map[string]int{}
	for _, s := range sources(t) {
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d", s.path, s.lines, maxFileLines)
		}
		if !s.isTest() {
			packageLines[filepath.Dir(s.path)] += s.lines
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, at most %d", s.path, f.Name.Name, lines, maxFunctionLines)
			}
		}
	}
	for dir, lines := range packageLines {
		if lines > maxPackageLines {
			t.Errorf("package %s has %d lines, at most %d", dir, lines, maxPackageLines)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		dir := filepath.Dir(s.path)
		documented[dir] = documented[dir] || s.file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

// Package-level variables may only hold what never changes: errors, embedded files, regular expressions, tables.
func TestNoHiddenWiring(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init() hides wiring; do it in New", s.path)
			}
		}
		if !s.isTest() {
			checkVariables(t, s)
		}
	}
}

func checkVariables(t *testing.T, s source) {
	t.Helper()
	for _, d := range s.file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			embedded := g.Doc != nil && strings.Contains(g.Doc.Text()+directives(g.Doc), "go:embed") || v.Doc != nil && strings.Contains(directives(v.Doc), "go:embed")
			if len(v.Values) == 0 && !embedded {
				t.Errorf("%s: variable %s starts empty, so it is state; keep it in a value", s.path, v.Names[0].Name)
			}
		}
	}
}

func directives(doc *ast.CommentGroup) string {
	var all strings.Builder
	for _, c := range doc.List {
		all.WriteString(c.Text)
	}
	return all.String()
}
