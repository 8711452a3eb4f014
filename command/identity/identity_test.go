package identity_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/identity"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
)

func TestCustomers(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Customer("Ada@Example.com")
	worldtest.Must(w, identity.ChangeCustomer{CustomerID: id, CustomerName: "Ada L."})
	got := worldtest.One[string](w, `select email || ' ' || name from customer where id = $1`, id)
	if want := "ada@example.com Ada L."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := w.Events(), []string{"identity.CustomerRegistered 1", "identity.CustomerChanged 2"}; !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
	worldtest.Refused(w, identity.RegisterCustomer{CustomerID: w.NewID(), Email: "ADA@example.com", CustomerName: "B"}, fault.Conflict, "customer_exists")
	worldtest.Refused(w, identity.RegisterCustomer{CustomerID: id, Email: "b@example.com", CustomerName: "B"}, fault.Conflict, "customer_exists")
	worldtest.Refused(w, identity.ChangeCustomer{CustomerID: w.NewID(), CustomerName: "B"}, fault.NotFound, "customer_not_found")
}

func TestAChangeIsAudited(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Customer("ada@example.com")
	const changes = `select coalesce(before::text, '-') || ' ' || coalesce(after::text, '-') from audit where command = $1 order by id desc limit 1`
	worldtest.Must(w, identity.ChangeCustomer{CustomerID: id, CustomerName: "Ada L."})
	if got, want := worldtest.One[string](w, changes, "identity.ChangeCustomer"), `{"name": "[redacted]"} {"name": "[redacted]"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	worldtest.Must(w, identity.ChangeCustomer{CustomerID: id, CustomerName: "Ada L."})
	for _, name := range []string{"identity.ChangeCustomer", "identity.RegisterCustomer"} {
		if got := worldtest.One[string](w, changes, name); got != "- -" {
			t.Errorf("%s changed nothing, and says %s", name, got)
		}
	}
}

func TestPersonalDataStaysOutOfTheBooks(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	worldtest.Must(w, identity.ChangeCustomer{CustomerID: w.Customer("ada@example.com"), CustomerName: "ada l."})
	for _, sql := range []string{`select count(*) from audit a where a::text like '%ada%'`, `select count(*) from outbox where payload::text like '%ada%'`} {
		if n := worldtest.One[int](w, sql); n != 0 {
			t.Errorf("%s: %d rows hold personal data", sql, n)
		}
	}
}

func TestInputIsChecked(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	for _, c := range []struct {
		command identity.RegisterCustomer
		field   string
	}{
		{identity.RegisterCustomer{Email: "a@b.example", CustomerName: "A"}, "customer_id"},
		{identity.RegisterCustomer{CustomerID: id, Email: "a", CustomerName: "A"}, "email"},
		{identity.RegisterCustomer{CustomerID: id, Email: "A <a@b.example>", CustomerName: "A"}, "email"},
		{identity.RegisterCustomer{CustomerID: id, Email: "a@b.example\r\nBcc: x@y", CustomerName: "A"}, "email"},
		{identity.RegisterCustomer{CustomerID: id, Email: "a@b.example"}, "name"},
		{identity.RegisterCustomer{CustomerID: id, Email: "a@b.example", CustomerName: "A\nB"}, "name"},
	} {
		worldtest.CheckField(t, c.command.Validate(), c.field)
	}
}
