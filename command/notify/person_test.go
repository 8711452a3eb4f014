package notify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/internal/secret"
)

func notices() map[string]notify.PersonNotice {
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	link := uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")
	linked := notify.PersonNotice{Site: "account", LinkID: &link, ExpiresAt: at.Add(time.Hour), At: at}
	named := linked
	named.PersonName = "Ada <Lovelace>"
	invitation, enrolment := linked, named
	invitation.Account, invitation.Rights, invitation.By = "Engines & Sons", "technical", "Charles"
	enrolment.Site = "admin"
	news := notify.PersonNotice{Site: "account", PersonName: "Ada", At: at}
	notice, session, joined, left, used := news, news, news, news, news
	notice.Address = "ada@new.example"
	session.Site, session.IP, session.UserAgent = "admin", "2001:db8::7", "Browser/1 <b>"
	joined.Account, joined.Rights, left.Account = "Engines", "billing", "Engines"
	used.Kind, used.Change = "recovery_codes", "used"
	reset, allowed, gone, contact, contactWas := news, news, news, news, news
	contact.Account = "Engines"
	contactWas.Account, contactWas.By, contactWas.ByAddress, contactWas.Address = "Engines", "Charles", "charles@example.com", "books@example.com"
	gone.Account, gone.By, gone.Address = "Engines", "Charles", "charles@example.com"
	cloned, recovered := news, news
	recovered.Kind, recovered.Change, recovered.Ended = "all", "reset", notify.Ended{Sessions: 1}
	cloned.Kind, cloned.Change = "passkey", "cloned"
	reset.Kind, reset.Change, reset.Ended = "password", "reset", notify.Ended{Sessions: 2, Tokens: 1}
	reset.Remains = []notify.Remains{{Kind: "passkey", Named: "Laptop", Since: at.AddDate(-1, 0, 0)}, {Kind: "totp", Since: at.AddDate(0, -1, 0)}, {Kind: "recovery_codes", Since: at}}
	allowed.Application, allowed.Account, allowed.Scopes = "Grapher", "Engines", []string{"openid", "services.read"}
	return map[string]notify.PersonNotice{"verify_email": linked, "reset_password": named, "change_email": named, "invitation": invitation, "enrolment": enrolment,
		"already_registered": news, "change_email_notice": notice, "sign_in": session, "membership": joined, "membership_left": left, "credential": used,
		"credential_reset": reset, "credential_recovered": recovered, "credential_cloned": cloned, "application": allowed, "member_gone": gone,
		"contact": contact, "contact_notice": contactWas}
}

func TestMailsToPeople(t *testing.T) {
	t.Parallel()
	for name, content := range notices() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkMessage(t, name, content)
		})
	}
}

func render(t *testing.T, template string, content notify.PersonNotice, token string) (notify.Rendered, error) {
	t.Helper()
	r, err := notify.NewRenderer(notify.Brand{Name: "Example", URL: "https://account.example", AdminURL: "https://admin.example"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return r.Render(notify.Delivery{Template: template, Content: raw, Token: secret.New(token)})
}

// A mail about a link has one, and no other mail has.
func TestNoLinkWithoutItsToken(t *testing.T) {
	t.Parallel()
	all := notices()
	if _, err := render(t, "reset_password", all["reset_password"], ""); err == nil {
		t.Error("a link without a token must not be sent")
	}
	if _, err := render(t, "sign_in", all["sign_in"], "secret"); err == nil {
		t.Error("news hold no token")
	}
	for name, prefix := range map[string]string{"verify_email": "https://account.example/verify#", "change_email": "https://account.example/verify#", "reset_password": "https://account.example/reset#",
		"invitation": "https://account.example/invitation#", "enrolment": "https://admin.example/enrol#"} {
		if m, err := render(t, name, all[name], "ezl_x"); err != nil || m.Link != prefix+"ezl_x" || !strings.Contains(m.Text, m.Link) || !strings.Contains(m.HTML, `"`+m.Link+`"`) {
			t.Errorf("%s: %s (%v)", name, m.Link, err)
		}
	}
}

// What customers choose is shown to strangers: it is no room for advertisements.
func TestNamesInInvitations(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"Engines": "Engines", "Win at https://evil.example/": "(unnamed)", "mail evil@example.com": "(unnamed)", "": "(unnamed)",
		strings.Repeat("é", 61): strings.Repeat("é", 60) + "…"} {
		n := notices()["invitation"]
		n.Account, n.By = name, name
		m, err := render(t, "invitation", n, "ezl_x")
		if err != nil || !strings.Contains(m.Text, "to the account "+want+" with") || m.Subject != "Invitation to "+want || strings.Contains(m.Text+m.HTML, "evil") {
			t.Errorf("%q: %q %s (%v)", name, m.Subject, m.Text, err)
		}
	}
}

func TestEveryChangeOfACredentialIsSaid(t *testing.T) {
	t.Parallel()
	subjects := map[string]bool{}
	for _, kind := range []string{"password", "passkey", "totp", "recovery_codes", "email", "api_token", "of a later version"} {
		for _, change := range []string{"added", "changed", "removed", "used"} {
			n := notices()["credential"]
			n.Kind, n.Change = kind, change
			m, err := render(t, "credential", n, "")
			if err != nil || subjects[m.Subject] {
				t.Errorf("%s %s: %q (%v)", kind, change, m.Subject, err)
			}
			subjects[m.Subject] = true
		}
	}
}
