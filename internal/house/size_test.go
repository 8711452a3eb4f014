package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// Nothing at package level may be state: see stateless.
func TestNoHiddenWiring(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init() hides wiring; do it in New", s.path)
			}
		}
		if s.isTest() {
			continue
		}
		for _, name := range state(s.file) {
			t.Errorf("%s: variable %s can change, so it is state; keep it in a value", s.path, name)
		}
	}
}

// state names the package-level variables of a file that can change what the program does while it runs.
func state(file *ast.File) []string {
	var names []string
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			if v := spec.(*ast.ValueSpec); !embedded(g.Doc) && !embedded(v.Doc) && !stateless(file.Name.Name, v) {
				names = append(names, v.Names[0].Name)
			}
		}
	}
	return names
}

// stateless tells what may stand at package level beside embedded files: errors, regular expressions, checksum
// tables and the proof that a type has an interface. A map or a slice would be state: whoever has it can write to it.
func stateless(pkg string, v *ast.ValueSpec) bool {
	if pkg == "main" && v.Names[0].Name == "version" { // set by the linker
		return true
	}
	if len(v.Values) != len(v.Names) {
		return false
	}
	for i, value := range v.Values {
		call, ok := value.(*ast.CallExpr)
		if v.Names[i].Name == "_" {
			continue
		}
		if !ok || !slices.Contains([]string{"errors.New", "regexp.MustCompile", "crc32.MakeTable"}, types.ExprString(call.Fun)) {
			return false
		}
	}
	return true
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func TestState(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{ // declaration: is it state
		`var ErrGone = errors.New("gone")`:             false,
		`var name = regexp.MustCompile("^a$")`:         false,
		`var _ Handler = (*Runner)(nil)`:               false,
		"//go:embed a.sql\nvar sql string":             false,
		"var (\n//go:embed a.sql\nsql string\n)":       false,
		`var cache map[string]int`:                     true,
		`var cache = map[string]int{}`:                 true,
		`var names = []string{"a"}`:                    true,
		`var count int`:                                true,
		`var now = time.Now`:                           true,
		`var started = time.Now()`:                     true,
		`var a, b = errors.New("a"), sync.OnceFunc(f)`: true,
		`const limit = 5`:                              false,
	}
	for declaration, want := range cases {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\n"+declaration, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(state(file)) > 0; got != want {
			t.Errorf("%s: state %v, want %v", declaration, got, want)
		}
	}
}

// An error that is named in another must be findable in it: with %w, or not at all.
func TestErrorsAreWrapped(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && swallows(call) {
				t.Errorf("%s: an error is named without %%w", s.fset.Position(call.Pos()))
			}
			return true
		})
	}
}

// swallows tells a fmt.Errorf that has an err among its arguments and fewer %w in its format.
func swallows(call *ast.CallExpr) bool {
	if types.ExprString(call.Fun) != "fmt.Errorf" || len(call.Args) == 0 {
		return false
	}
	format, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return false
	}
	named := 0
	for _, argument := range call.Args[1:] {
		if name, ok := argument.(*ast.Ident); ok && (name.Name == "err" || strings.HasSuffix(name.Name, "Err")) {
			named++
		}
	}
	return strings.Count(format.Value, "%w") < named
}
