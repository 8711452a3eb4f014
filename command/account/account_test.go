package account_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/account"
	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
)

func profile(id uuid.UUID) account.ChangeProfile {
	return account.ChangeProfile{CustomerID: id, KeepTaxID: true, Profile: account.Profile{CustomerName: "Ada", Company: "Engines Ltd", Phone: "+44 20 123456", Locale: "en-GB", TimeZone: "Europe/London",
		Billing: &account.Address{Line1: "1 Row", City: "London", PostalCode: "N1", Country: "GB"}}}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Customer("ada@example.com")
	worldtest.Must(w, profile(id))
	const shown = `select concat_ws(' ', name, company, phone, locale, time_zone, tax_exempt, (select string_agg(kind || ' ' || line1 || ' ' || country, ', ' order by kind) from customer_address where customer_id = c.id)) from customer c where id = $1`
	if got, want := worldtest.One[string](w, shown, id), "Ada Engines Ltd +44 20 123456 en-GB Europe/London f billing 1 Row GB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	yes := true
	next := profile(id)
	next.TaxExempt, next.Shipping, next.Billing, next.Phone = &yes, next.Billing, nil, ""
	worldtest.Must(w, next)
	if got, want := worldtest.One[string](w, shown, id), "Ada Engines Ltd  en-GB Europe/London t shipping 1 Row GB"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	const audited = `select before::text || ' ' || after::text from audit where command = 'account.ChangeProfile' order by id desc limit 1`
	if got, want := worldtest.One[string](w, audited), `{"phone": "[redacted]", "tax_exempt": false, "billing_address": "[redacted]", "shipping_address": null} {"phone": "[redacted]", "tax_exempt": true, "billing_address": null, "shipping_address": "[redacted]"}`; got != want {
		t.Errorf("audit: got %s, want %s", got, want)
	}
	if n := worldtest.One[int](w, `select count(*) from audit a where a::text ~ 'Ada|Engines|Row|123456'`); n != 0 {
		t.Errorf("%d audit rows hold personal data", n)
	}
	worldtest.Refused(w, profile(w.NewID()), fault.NotFound, "customer_not_found")
}

func TestProfilesAreChecked(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*account.ChangeProfile){
		"name":                        func(c *account.ChangeProfile) { c.CustomerName = "" },
		"company":                     func(c *account.ChangeProfile) { c.Company = "A\r\nBcc: x@y.example" },
		"phone":                       func(c *account.ChangeProfile) { c.Phone = "call me" },
		"tax_id":                      func(c *account.ChangeProfile) { c.TaxID = secret.New("<script>") },
		"locale":                      func(c *account.ChangeProfile) { c.Locale = "English" },
		"time_zone":                   func(c *account.ChangeProfile) { c.TimeZone = "Local" },
		"billing_address.country":     func(c *account.ChangeProfile) { c.Billing.Country = "XX" },
		"billing_address.line1":       func(c *account.ChangeProfile) { c.Billing.Line1 = "" },
		"billing_address.city":        func(c *account.ChangeProfile) { c.Billing.City = "\x00" },
		"shipping_address.country":    func(c *account.ChangeProfile) { c.Shipping = &account.Address{Line1: "a", City: "b", Country: "gb"} },
		"billing_address.postal_code": func(c *account.ChangeProfile) { c.Billing.PostalCode = "\n" },
	} {
		c := profile(uuid.New())
		change(&c)
		worldtest.CheckField(t, c.Validate(), field)
	}
	unsealed := profile(uuid.New())
	unsealed.KeepTaxID, unsealed.TaxID = false, secret.New("DE123456789")
	worldtest.CheckField(t, unsealed.Validate(), "tax_id")
}

func TestStatusesAndNotes(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Customer("ada@example.com")
	worldtest.Must(w, account.ChangeStatus{CustomerID: id, Status: "banned", Reason: "fraud"})
	if got := worldtest.One[string](w, `select c.status || ' ' || a.after::text || ' ' || (a.input->>'reason') from customer c, audit a where c.id = $1 and a.command = 'account.ChangeStatus'`, id); got != `banned {"status": "banned"} fraud` {
		t.Errorf("got %q", got)
	}
	worldtest.Refused(w, account.ChangeStatus{CustomerID: id, Status: "asleep", Reason: "x"}, fault.Invalid, "invalid_input")
	worldtest.Refused(w, account.ChangeStatus{CustomerID: w.NewID(), Status: "active", Reason: "x"}, fault.NotFound, "customer_not_found")
	worldtest.Must(w, account.WriteNote{NoteID: w.NewID(), CustomerID: id, Text: "Called.\nWill pay."})
	if got := worldtest.One[string](w, `select author || ' ' || text from customer_note`); got != "staff:test Called.\nWill pay." {
		t.Errorf("got %q", got)
	}
	worldtest.Refused(w, account.WriteNote{NoteID: w.NewID(), CustomerID: w.NewID(), Text: "x"}, fault.NotFound, "customer_not_found")
	worldtest.Refused(w, account.WriteNote{NoteID: w.NewID(), CustomerID: id, Text: "\x00"}, fault.Invalid, "invalid_input")
}

// Members choose among their people's verified addresses, staff may name any; an address is one account's contact.
func TestContacts(t *testing.T) {
	t.Parallel()
	w := worldtest.New(t)
	id := w.Customer("old@example.com")
	w.Customer("other@example.com")
	for i, p := range []struct {
		email    string
		verified bool
		account  bool
	}{{"member@example.com", true, true}, {"unverified@example.com", false, true}, {"stranger@example.com", true, false}, {"other@example.com", true, true}} {
		w.Exec(`insert into person (id, site, email, email_verified_at, name, created_at) values ($1, 'account', $2, case when $3 then now() end, 'P', now())`, uuid.UUID{byte(i + 1)}, p.email, p.verified)
		if p.account {
			w.Exec(`insert into membership (person_id, customer_id, rights, since) values ($1, $2, 'read_only', now())`, uuid.UUID{byte(i + 1)}, id)
		}
	}
	change := func(email string, ofMember bool) account.ChangeContact {
		return account.ChangeContact{ChangeID: w.NewID(), CustomerID: id, Email: email, OfMember: ofMember}
	}
	for _, email := range []string{"unverified@example.com", "stranger@example.com", "nobody@example.com"} {
		if f := worldtest.Refused(w, change(email, true), fault.Invalid, "invalid_input"); f.Fields[0].Name != "email" {
			t.Errorf("%s: %v", email, f)
		}
	}
	worldtest.Refused(w, change("other@example.com", true), fault.Conflict, "contact_taken")
	worldtest.Must(w, change("Member@Example.com", true))
	worldtest.CheckChanged(w, "account.ChangeContact", `{"email": "[redacted]"} {"email": "[redacted]"}`)
	worldtest.Must(w, change("member@example.com", true)) // it is so already
	worldtest.CheckChanged(w, "account.ChangeContact", "")
	worldtest.Must(w, change("books@example.com", false))
	if got := worldtest.One[string](w, `select email from customer where id = $1`, id); got != "books@example.com" {
		t.Errorf("got %q", got)
	}
	if n := worldtest.One[int](w, `select count(*) from outbox where type = 'identity.ContactChanged'`); n != 2 {
		t.Errorf("%d changes are told, want those two that changed something", n)
	}
	worldtest.CheckField(t, change("a@b\r\nBcc: x@y.example", false).Validate(), "email")
	worldtest.Refused(w, account.ChangeContact{ChangeID: w.NewID(), CustomerID: w.NewID(), Email: "a@example.com"}, fault.NotFound, "customer_not_found")
}
