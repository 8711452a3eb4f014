package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// changeless are the commands that change nothing that was there, by package and type, and why: the audit row of any
// other has to hold what it changed, before and after.
func changeless() map[string]string {
	const (
		makes = "makes something; its input says all of it"
		notes = "notes that something happened"
	)
	return map[string]string{
		"access.BeginImpersonation":     makes,
		"access.CreateToken":            makes,
		"access.OpenSession":            makes,
		"access.RecordRefusal":          notes,
		"account.WriteNote":             makes,
		"bandwidth.AssignPrefix":        makes,
		"bandwidth.BindPort":            makes,
		"bandwidth.RegisterExporter":    makes,
		"bandwidth.RemeterUsage":        "makes corrections; its input holds the usage as it was and by how much it differs",
		"billing.BillLateUsage":         "makes a revision; its outcome says what it comes to",
		"billing.FinaliseInvoice":       "makes an invoice; its outcome says which",
		"catalog.CreatePlan":            makes,
		"credential.AddPasskey":         makes,
		"credential.UsePasskey":         notes,
		"credential.UseRecoveryCode":    notes,
		"credential.UseTOTP":            notes,
		"identity.ArmLink":              "gives a link its token, of which nothing may be shown",
		"identity.Invite":               makes,
		"identity.RegisterCustomer":     makes,
		"identity.RegisterPerson":       makes,
		"identity.RequestAddress":       makes,
		"identity.RequestReset":         makes,
		"notify.BeginDelivery":          notes,
		"notify.QueueContact":           makes,
		"notify.QueueInvoice":           makes,
		"notify.QueueLeft":              makes,
		"notify.QueueLink":              makes,
		"notify.QueueNews":              makes,
		"notify.QueuePorts":             makes,
		"notify.QueueQuotaAlert":        makes,
		"notify.QueueStaffSignIn":       makes,
		"oauth.CreateClient":            makes,
		"oauth.GrantConsent":            makes,
		"provisioning.CreateService":    makes,
		"reconciliation.ReconcilePorts": "makes verdicts; its outcome counts them",
		"secrets.CreateRing":            makes,
		"staff.CreateRole":              makes,
		"staff.EnrolStaff":              makes,
	}
}

// A new command has to decide: it says what it changed, or stands above.
func TestCommandsSayWhatTheyChange(t *testing.T) {
	t.Parallel()
	byDir := map[string][]*ast.File{}
	for _, s := range sources(t) {
		if !s.isTest() {
			dir := filepath.Dir(s.path)
			byDir[dir] = append(byDir[dir], s.file)
		}
	}
	listed, seen := changeless(), map[string]bool{}
	for dir, files := range byDir {
		p := newPkg(files)
		for name, handle := range p.commands() {
			name = path.Base(filepath.ToSlash(dir)) + "." + name
			_, exempt := listed[name]
			seen[name] = true
			switch changes := p.changes(handle, map[*ast.FuncDecl]bool{}); {
			case !changes && !exempt:
				t.Errorf("%s says nothing of what it changed: let its answer embed a command.Change, or list it here with the reason", name)
			case changes && exempt:
				t.Errorf("%s says what it changed: take it off the list", name)
			}
		}
		for _, name := range p.shadowed() {
			t.Errorf("%s/%s: a field Changed hides what its command.Change says", dir, name)
		}
	}
	if len(seen) <= len(listed) {
		t.Errorf("only %d commands were found", len(seen))
	}
	for name := range listed {
		if !seen[name] {
			t.Errorf("the list names %s, which is not there", name)
		}
	}
}

// pkg is a package's functions and methods by name, and who imports what in it.
type pkg struct {
	files     []*ast.File
	functions map[string][]*ast.FuncDecl
	imports   map[*ast.FuncDecl]map[string]bool
}

func newPkg(files []*ast.File) pkg {
	p := pkg{files: files, functions: map[string][]*ast.FuncDecl{}, imports: map[*ast.FuncDecl]map[string]bool{}}
	for _, file := range files {
		imported := map[string]bool{}
		for _, i := range file.Imports {
			if name, err := strconv.Unquote(i.Path.Value); err == nil && i.Name == nil {
				imported[path.Base(name)] = true
			} else if i.Name != nil {
				imported[i.Name.Name] = true
			}
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				p.functions[f.Name.Name] = append(p.functions[f.Name.Name], f)
				p.imports[f] = imported
			}
		}
	}
	return p
}

// commands are the types with a Handle that takes a command.Meta.
func (p pkg) commands() map[string]*ast.FuncDecl {
	found := map[string]*ast.FuncDecl{}
	for _, f := range p.functions["Handle"] {
		in := f.Type.Params.List
		if f.Recv == nil || len(in) == 0 || types.ExprString(in[len(in)-1].Type) != "command.Meta" {
			continue
		}
		found[strings.TrimPrefix(types.ExprString(f.Recv.List[0].Type), "*")] = f
	}
	return found
}

// changes tells whether a function makes a command.Change, itself or by what it calls in its package. Methods go by their
// names alone, and another command's Handle does not count.
func (p pkg) changes(f *ast.FuncDecl, looked map[*ast.FuncDecl]bool) bool {
	looked[f] = true
	found := false
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			found = found || len(n.Elts) > 0 && n.Type != nil && types.ExprString(n.Type) == "command.Change"
		case *ast.CallExpr:
			for _, called := range p.functions[p.called(f, n)] {
				found = found || !looked[called] && p.changes(called, looked)
			}
		}
		return !found
	})
	return found
}

// called is the name of a function or method that may be of the package.
func (p pkg) called(in *ast.FuncDecl, call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if of, ok := fun.X.(*ast.Ident); ok && p.imports[in][of.Name] || fun.Sel.Name == "Handle" {
			return ""
		}
		return fun.Sel.Name
	}
	return ""
}

// shadowed are the structs that embed a command.Change and have a field in the place of its method.
func (p pkg) shadowed() (names []string) {
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok && shadows(s) {
				names = append(names, spec.Name.Name)
			}
			return true
		})
	}
	return names
}

func shadows(s *ast.StructType) bool {
	embeds, has := false, false
	for _, f := range s.Fields.List {
		embeds = embeds || len(f.Names) == 0 && types.ExprString(f.Type) == "command.Change"
		for _, name := range f.Names {
			has = has || name.Name == "Changed"
		}
	}
	return embeds && has
}

func TestChangesAreFound(t *testing.T) {
	t.Parallel()
	const head = "package a\nimport \"x/command\"\n"
	for body, want := range map[string]struct{ changes, shadowed bool }{
		`func (C) Handle(m command.Meta) { return A{} }`:                                                                {},
		`func (C) Handle(m command.Meta) { return A{Change: command.Change{}} }`:                                        {},
		`func (C) Handle(m command.Meta) { return A{Change: command.Change{Before: 1, After: 2}} }`:                     {changes: true},
		`func (c C) Handle(m command.Meta) { return c.put() }; func (C) put() { return command.Change{1, 2} }`:          {changes: true},
		`func (c C) Handle(m command.Meta) { return command.put() }; func (C) put() { return command.Change{1, 2} }`:    {},
		`func (c C) Handle(m command.Meta) { return c.d.Handle(m) }; func (D) Handle() { return command.Change{1, 2} }`: {},
		`func (c C) Handle(m command.Meta) { c.a() }; func (c C) a() { c.b() }; func (c C) b() { c.a() }`:               {},
		`func (C) Handle(m command.Meta) { }; type A struct { Changed bool; command.Change }`:                           {shadowed: true},
		`func (C) Handle(m command.Meta) { }; type A struct { Changed bool }`:                                           {},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", head+body, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := newPkg([]*ast.File{file})
		handle, ok := p.commands()["C"]
		if !ok {
			t.Fatalf("%s: no command", body)
		}
		if got := p.changes(handle, map[*ast.FuncDecl]bool{}); got != want.changes || len(p.shadowed()) > 0 != want.shadowed {
			t.Errorf("%s: changes %v, shadowed %v", body, got, p.shadowed())
		}
	}
}
