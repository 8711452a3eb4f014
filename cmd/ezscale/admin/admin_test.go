package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// platform is a data directory as `ezscale up` leaves it, with a database.
type platform struct {
	*testing.T
	db   *postgrestest.DB
	data string
}

func newPlatform(t *testing.T) platform {
	t.Helper()
	p := platform{T: t, db: postgrestest.New(t), data: t.TempDir()}
	p.must(runfile.Write(filepath.Join(p.data, runfile.ServersFile), runfile.Servers{Postgres: p.db.DSN(), Kafka: []string{"127.0.0.1:1"}, ClickHouse: "http://127.0.0.1:1"}))
	p.must(runfile.Write(filepath.Join(p.data, runfile.APIFile), runfile.API{URL: "http://127.0.0.1:4321", Token: strings.Repeat("x", 40)}))
	return p
}

func (p platform) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// run runs a command as people do.
func run(args ...string) (out, notes string, err error) {
	root := &cobra.Command{Use: "ezscale", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(NewCommand())
	var o, n strings.Builder
	root.SetOut(&o)
	root.SetErr(&n)
	root.SetArgs(append([]string{"admin"}, args...))
	err = tools.Strict(root).ExecuteContext(context.Background())
	return o.String(), n.String(), err
}

func (p platform) run(args ...string) (out, notes string) {
	p.Helper()
	out, notes, err := run(append(args, "--data", p.data)...)
	if err != nil {
		p.Fatalf("%v: %v\n%s", args, err, notes)
	}
	return out, notes
}

// link finds the link that was printed.
func (p platform) link(out string) access.Link {
	p.Helper()
	text, ok := strings.CutPrefix(strings.TrimSpace(out), "http://admin.localhost:4321/enrol#")
	if !ok {
		p.Fatalf("printed %q", out)
	}
	if _, err := token.Parse(token.Link, text); err != nil {
		p.Fatalf("%q: %v", text, err)
	}
	found, err := access.FindLink(p.Context(), p.db.Pool(postgres.RoleDoor), "admin", sha256.Sum256([]byte(text)), time.Now())
	if err != nil {
		p.Fatal(err)
	}
	return found
}

func TestFirstAdministrator(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	out, notes := p.run("create", "Ada@example.com", "--name", "Ada L.")
	first := p.link(out)
	if first.Email != "ada@example.com" || first.Purpose != "enrolment" || first.PersonName != "Ada L." || time.Until(first.ExpiresAt) > 24*time.Hour || time.Until(first.ExpiresAt) < 23*time.Hour {
		t.Errorf("link %+v", first)
	}
	if !strings.Contains(notes, "with the role admin. The link works once, until 20") || strings.Contains(notes, "#") {
		t.Errorf("said %q", notes)
	}
	if _, _, err := run("create", "ada@example.com", "--name", "B", "--data", p.data); !fault.Is(err, fault.Conflict) {
		t.Errorf("twice: %v", err)
	}
	p.run("create", "bob@example.com", "--name", "Bob", "--role", "support", "--role", "network")
	if list, _ := p.run("list"); !strings.Contains(list, "ada@example.com  Ada L.  admin             active, invited until 20") || !strings.Contains(list, "network, support") {
		t.Errorf("list\n%s", list)
	}
	if list, _ := p.run("list", "--json"); !strings.Contains(list, `"email": "bob@example.com"`) {
		t.Errorf("list\n%s", list)
	}
	if _, _, err := run("suspend", "ada@example.com", "--data", p.data); !fault.Is(err, fault.Conflict) {
		t.Errorf("the last administrator: %v", err)
	}
	if said, _ := p.run("suspend", "bob@example.com"); said != "bob@example.com is suspended\n" {
		t.Errorf("said %q", said)
	}
	p.run("activate", "bob@example.com")
	again, notes := p.run("enrol", "ada@example.com", "--reset-factors")
	if second := p.link(again); second.ID == first.ID || !strings.Contains(notes, "no second factor any more") {
		t.Errorf("link %+v, said %q", second, notes)
	}
	if _, _, err := run("enrol", "eve@example.com", "--data", p.data); err == nil || !strings.Contains(err.Error(), "nobody among the staff has the mail address eve@example.com") {
		t.Errorf("nobody: %v", err)
	}
	var rows, mails int
	p.must(p.db.Pool(postgres.RoleOwner).QueryRow(t.Context(), `select count(*) filter (where actor = 'staff:command-line'), (select count(*) from outbox where type = 'identity.LinkRequested') from audit`).Scan(&rows, &mails))
	if rows != 5 || mails != 0 {
		t.Errorf("%d audit rows, %d mails of what was handed over", rows, mails)
	}
}

func TestWrongInput(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for args, want := range map[string]string{
		"create":                         "name one mail address; usage: ezscale admin create EMAIL --name NAME [flags]",
		"create ada":                     "name one mail address",
		"create a@b.example":             "--name is missing",
		"create a@b --name A --role x":   "there is no role x",
		"create a@b --name A --role=":    "--role is empty",
		"create a@b@c --name A":          "is not a mail address",
		"enrol a@example.com b@x":        "name one mail address",
		"suspend":                        "name one mail address",
		"list all":                       `"all" is one argument too many`,
		"enrol a@example.com --reset-it": "unknown flag: --reset-it",
	} {
		_, notes, err := run(append(strings.Fields(args), "--data", p.data)...)
		var exit tools.ExitError
		if !errors.As(err, &exit) || exit.Code != exitMisuse || !strings.Contains(notes, want) || strings.Count(notes, "\n") != 1 {
			t.Errorf("%s: %v\n%s", args, err, notes)
		}
	}
}

func TestSiteAddress(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for _, c := range []struct {
		env  map[string]string
		data string
		want string
	}{
		{nil, p.data, "http://admin.localhost:4321"},
		{nil, t.TempDir(), "https://admin.example.com"},
		{map[string]string{"EZSCALE_ADMIN_URL": "https://admin.example.com"}, p.data, "https://admin.example.com"},
		{map[string]string{"EZSCALE_POSTGRES": "x"}, p.data, "https://admin.example.com"},
	} {
		got, err := siteAddress(config.Config{AdminURL: "https://admin.example.com/"}, c.data, func(name string) string { return c.env[name] })
		if err != nil || got != c.want {
			t.Errorf("%v: %s, %v", c.env, got, err)
		}
	}
}
