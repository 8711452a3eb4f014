package notify_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ezscale/platform/command/notify"
)

func TestUnlinked(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":                        "",
		"Ada Lovelace":            "Ada Lovelace",
		"Engines Ltd.":            "Engines Ltd.",
		"J. Smith, 1. FC":         "J. Smith, 1. FC",
		"booking.com":             "booking|.|com",
		"www.evil.example":        "www|.|evil|.|example",
		"see https://evil.co/in":  "see https|:||/||/|evil|.|co|/|in",
		"a@evil.example":          "a|@|evil|.|example",
		"evil。example":            "evil|。|example",
		"a\u00a0.b .c d. .":       "a\u00a0|.|b .c d. .",
		"[in](https://evil.co) .": "[in](https|:||/||/|evil|.|co) .",
	} {
		if got := strings.ReplaceAll(notify.Unlinked(name), "\u2060", "|"); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// What links are found by is nowhere in what comes out, and what is read is what went in.
func TestNothingIsLinked(t *testing.T) {
	t.Parallel()
	linked := regexp.MustCompile(`(?i)www\.\S|\w\.\w|\w[。．｡]\w|\w@\w|[a-z]:/|//\w`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.SampledFrom([]rune("wW.:/@。．｡ ax1-é\u00a0"))).Draw(t, "name")
		got := notify.Unlinked(name)
		if found := linked.FindString(got); found != "" {
			t.Errorf("%q: %q is a link", got, found)
		}
		if read := strings.ReplaceAll(got, "\u2060", ""); read != name {
			t.Errorf("%q is read as %q", name, read)
		}
	})
}

// No mail and no chat message says a name that somebody chose so that it could be followed.
func TestNoMessageLinksAName(t *testing.T) {
	t.Parallel()
	const evil = "evil.example"
	r, err := notify.NewRenderer(notify.Brand{Name: "Example", URL: "https://account.example", AdminURL: "https://admin.example"})
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]any{
		notify.TemplateQuotaAlert:  notify.QuotaAlert{CustomerName: evil, ServiceName: "svc-1"},
		notify.TemplateInvoice:     notify.Invoice{CustomerName: evil, ServiceName: "svc-1", Number: "INV-1"},
		notify.TemplateStaffSignIn: notify.StaffSignIn{PersonName: evil, UserAgent: evil},
	}
	for name, n := range notices() {
		n.PersonName, n.Account, n.By, n.Application, n.UserAgent = evil, evil, evil, evil, evil
		for i := range n.Remains {
			n.Remains[i].Named = evil
		}
		contents[name] = n
	}
	for name, content := range contents {
		raw, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := content.(notify.PersonNotice)
		m, err := r.Render(notify.Delivery{Template: templateOf(name), Content: raw, Token: tokenOf(n)})
		if err != nil {
			t.Fatal(err)
		}
		if said := m.Subject + m.Text + m.HTML; strings.Contains(said, evil) || !strings.Contains(said, "evil\u2060.\u2060example") {
			t.Errorf("%s: %s", name, said)
		}
	}
}
