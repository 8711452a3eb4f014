package permission_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/permission"
)

func TestRights(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rights string
		want   string
	}{
		{permission.Owner, "account.read account.write invoices.read members.read members.write services.read"},
		{permission.Billing, "account.read account.write invoices.read members.read services.read"},
		{permission.Technical, "account.read services.read"},
		{permission.ReadOnly, "account.read invoices.read services.read"},
		{"", ""}, {"admin", ""}, {"OWNER", ""},
	} {
		if got := text(permission.OfRights(c.rights)); got != c.want {
			t.Errorf("%q may %s, want %s", c.rights, got, c.want)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	everything := permission.OfRoles([]string{permission.All})
	for _, m := range permission.OfStaff() {
		if !everything.Has(m.Permission) || m.Says == "" {
			t.Errorf("%s is not for an administrator, or says nothing", m.Permission)
		}
	}
	if everything.Has(permission.MembersWrite) {
		t.Error("a role gives what only members have")
	}
	if got := text(permission.OfRoles([]string{"invoices.read", "members.write", "of.later", "", "services.read"})); got != "invoices.read services.read" {
		t.Errorf("got %s", got)
	}
	if permission.CheckRole([]string{"audit.read", "*"}) != nil {
		t.Error("a sound role is refused")
	}
	for _, wrong := range []string{"", "members.write", "audit.write", "audit.*"} {
		if permission.CheckRole([]string{wrong}) == nil {
			t.Errorf("%q is taken for a permission of staff", wrong)
		}
	}
}

// Whatever members may do, staff who may do it to any account have a permission of staff for it, and read with one that reads.
func TestOverAccounts(t *testing.T) {
	t.Parallel()
	for _, p := range permission.OfRights(permission.Owner).List() {
		if !slices.ContainsFunc(permission.OfAccount(), func(m permission.Meaning) bool { return m.Permission == p }) {
			t.Errorf("%s is none of what the account site names", p)
		}
		over := permission.OverAccounts(p)
		if !permission.OfRoles([]string{permission.All}).Has(over) || strings.HasSuffix(string(p), ".read") != strings.HasSuffix(string(over), ".read") {
			t.Errorf("%s of members is %s of staff", p, over)
		}
	}
}

func TestEmptySetsHaveNothing(t *testing.T) {
	t.Parallel()
	if (permission.Set{}).Has(permission.ServicesRead) || permission.Of("").Has("") {
		t.Error("something is in the empty set")
	}
	if got := (permission.Set{}).List(); got == nil || len(got) != 0 {
		t.Errorf("the empty set lists %v", got)
	}
}

func TestSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOf(rapid.SampledFrom(permission.OfRoles([]string{permission.All}).List()))
		a, b := some.Draw(t, "a"), some.Draw(t, "b")
		both := permission.Of(a...).And(permission.Of(b...))
		for _, p := range append(a, b...) {
			if both.Has(p) != (slices.Contains(a, p) && slices.Contains(b, p)) {
				t.Fatalf("%s is wrong in %v and %v", p, a, b)
			}
			if permission.Of(a...).Reading().Has(p) != (slices.Contains(a, p) && strings.HasSuffix(string(p), ".read")) {
				t.Fatalf("%s is wrong in the reading part of %v", p, a)
			}
		}
	})
}

func text(s permission.Set) string {
	var words []string
	for _, p := range s.List() {
		words = append(words, string(p))
	}
	return strings.Join(words, " ")
}
