package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/secret"
)

// Templates of the mails to people. Those with a link hold a token that is drawn when they are sent.
const (
	TemplateVerify       = "verify_email"
	TemplateChange       = "change_email"        // to the new address
	TemplateChangeNotice = "change_email_notice" // to the one in use
	TemplateReset        = "reset_password"
	TemplateInvitation   = "invitation"
	TemplateEnrolment    = "enrolment"
	TemplateKnown        = "already_registered"
	TemplateCredential   = "credential"
	TemplateSignIn       = "sign_in"
	TemplateMembership   = "membership"
	TemplateLeft         = "member_gone" // to owners
	TemplateApplication  = "application"
	TemplateContact      = "contact"        // to the address that an account's mails go to from now on
	TemplateContactWas   = "contact_notice" // to the one that they went to
)

// PersonNotice is the content of all of them.
type PersonNotice struct {
	Site        string     `json:"site"`
	PersonName  string     `json:"name,omitempty"` // empty where a stranger may have chosen it
	LinkID      *uuid.UUID `json:"link_id,omitempty"`
	ExpiresAt   time.Time  `json:"expires_at,omitzero"` // of the link
	Account     string     `json:"account,omitempty"`
	Rights      string     `json:"rights,omitempty"` // empty: none any more
	By          string     `json:"by,omitempty"`     // who invites; empty: staff
	ByAddress   string     `json:"by_address,omitempty"`
	Address     string     `json:"address,omitempty"`
	Kind        string     `json:"kind,omitempty"` // of a credential, as the event has it
	Change      string     `json:"change,omitempty"`
	Application string     `json:"application,omitempty"` // that was allowed something
	Scopes      []string   `json:"scopes,omitempty"`
	Ended       Ended      `json:"ended,omitzero"`
	Remains     []Remains  `json:"remains,omitempty"` // of a reset
	IP          string     `json:"ip,omitempty"`
	UserAgent   string     `json:"user_agent,omitempty"`
	At          time.Time  `json:"at"`
}

// LinkOf is the link that a delivery needs a token of; nil: none.
func LinkOf(d Delivery) (*uuid.UUID, error) {
	var n struct {
		LinkID *uuid.UUID `json:"link_id"`
	}
	if err := json.Unmarshal(d.Content, &n); err != nil {
		return nil, fmt.Errorf("read the content of notification %s: %w", d.NotificationID, err)
	}
	return n.LinkID, nil
}

// words are what a mail to a person says.
type words struct {
	Subject string
	Lines   []string
	Action  string // says what Link is for
	Path    string // of Link, on the notice's site
	After   []string
}

// words of a template; of none: no Subject.
func (n PersonNotice) words(template, brand string) words {
	until := "The link works once, until " + minute(n.ExpiresAt) + "."
	ignore := ", ignore this mail: nothing happens unless the link is used."
	switch template {
	case TemplateVerify:
		return words{Subject: "Confirm your email address", Action: "Confirm this address", Path: "/verify",
			Lines: []string{"Somebody, hopefully you, has registered with " + brand + " under this email address."},
			After: []string{until, "If this was not you, do not use the link, and the registration will be deleted."}}
	case TemplateChange:
		return words{Subject: "Confirm your new email address", Action: "Use this address from now on", Path: "/verify",
			Lines: []string{"You asked " + brand + " to use this email address instead of your current one."}, After: []string{until, "If this was not you" + ignore}}
	case TemplateReset:
		return words{Subject: "Set a new password", Action: "Set a new password", Path: "/reset",
			Lines: []string{"Somebody, hopefully you, has asked for a new password for this email address."},
			After: []string{until, "If this was not you, ignore this mail: your password stays as it is."}}
	case TemplateInvitation:
		return words{Subject: "Invitation to " + short(n.Account), Action: "See the invitation", Path: "/invitation",
			Lines: []string{by(n.By) + " has invited you to the account " + short(n.Account) + " with " + brand + ", as " + rights(n.Rights) + "."}, After: []string{until, "If you did not expect this" + ignore}}
	case TemplateEnrolment:
		return words{Subject: "Your access to " + brand, Action: "Set your password", Path: "/enrol",
			Lines: []string{"You have been given access to " + brand + " as a member of staff. Set a password first, then a second factor."},
			After: []string{until, "If you did not expect this, do not use the link, and let us know."}}
	}
	return n.news(template, brand)
}

// news are the words of mails without a token.
func (n PersonNotice) news(template, brand string) words {
	alarm := "If this was not you, set a new password at once and check your sessions."
	switch template {
	case TemplateKnown:
		return words{Subject: "You are already registered", Action: "Sign in", Path: "/login",
			Lines: []string{"Somebody, perhaps you, has tried to use your email address with " + brand + " again. You are already registered with it, and nothing has changed."},
			After: []string{"If you have forgotten your password, the login page can send you a link to set a new one. If this was not you, there is nothing to do."}}
	case TemplateChangeNotice:
		return words{Subject: "Your email address is about to change", Action: "Go to your security page", Path: "/security",
			Lines: []string{"Somebody signed in as you has asked to use " + n.Address + " instead of this address. The change takes effect when the link that we mailed to that address is used."},
			After: []string{"If this was you, there is nothing to do here. If this was not you, set a new password at once, which stops the change, and check your sessions."}}
	case TemplateCredential:
		return n.credentialWords(alarm)
	case TemplateSignIn:
		return words{Subject: "Sign-in with a new device", Action: "See your sessions", Path: "/security",
			Lines: []string{"At " + minute(n.At) + " somebody signed in as you with a browser that we have not seen before.", "IP address: " + or(n.IP, "unknown"), "Browser: " + or(Unlinked(n.UserAgent), "unknown")},
			After: []string{"If this was you, there is nothing to do. " + alarm}}
	case TemplateApplication:
		on := ""
		if n.Account != "" {
			on = " to the account " + short(n.Account)
		}
		return words{Subject: "An application now has access" + on, Action: "See your applications", Path: "/security",
			Lines: []string{"At " + minute(n.At) + " somebody signed in as you gave the application “" + short(n.Application) + "” access" + on + ".", "It may use: " + strings.Join(n.Scopes, ", ") + "."},
			After: []string{"You can take the access back on that page at any time. " + alarm}}
	case TemplateLeft:
		return words{Subject: "Somebody has left " + short(n.Account), Action: "See the account's people", Path: "/account/members",
			Lines: []string{short(n.By) + " (" + n.Address + ") left the account " + short(n.Account) + " at " + minute(n.At) + ". Their sessions, API tokens and applications there have ended."}}
	case TemplateContactWas:
		who := by(n.By)
		if n.ByAddress != "" {
			who += " (" + n.ByAddress + ")"
		}
		return words{Subject: "The contact address of " + short(n.Account) + " was changed", Action: "See the account", Path: "/account",
			Lines: []string{who + " changed the contact address of the account " + short(n.Account) + " at " + minute(n.At) + ", from this one to " + n.Address + ". The account's invoices and notices go there from now on."},
			After: []string{"If this was meant, there is nothing to do. If it was not, have an owner of the account change it back on that page, or contact us. If somebody did it in your name, set a new password at once and check your sessions."}}
	case TemplateContact:
		return words{Subject: "This is now the contact address of " + short(n.Account), Action: "See the account", Path: "/account",
			Lines: []string{by(n.By) + " made this the contact address of the account " + short(n.Account) + " with " + brand + ". The account's invoices and notices come here from now on."},
			After: []string{"If you did not expect this, ask an owner of the account, or contact us."}}
	case TemplateMembership:
		said := "You are now " + rights(n.Rights) + " in the account " + short(n.Account) + "."
		if n.Rights == "" {
			said = "You are no longer in the account " + short(n.Account) + "."
		}
		w := words{Subject: "Your rights in " + short(n.Account), Action: "Go to your accounts", Path: "/account", Lines: []string{said}}
		if n.Rights != "owner" {
			w.After = []string{"If you did not expect this, ask an owner of the account."}
		}
		return w
	}
	return words{}
}

// credentialWords are those of what was changed, and of what to do if somebody else did it.
func (n PersonNotice) credentialWords(alarm string) words {
	said := credential(n.Kind, n.Change)
	w := words{Subject: said, Action: "Go to your security page", Path: "/security", Lines: append([]string{said + " at " + minute(n.At) + "."}, n.after()...), After: []string{alarm}}
	switch {
	case n.Kind == "all":
		w.Subject, w.Action, w.Path = "How you sign in was reset", "Set a new password", "/forgot"
		w.Lines[0] = "At " + minute(n.At) + " our staff removed your password, passkeys, authenticator and recovery codes, because they were told that you had lost them."
		w.After = []string{"Have a link to set a new password mailed to you on that page, then set up passkeys or an authenticator again. If you did not ask us for this, set a new password all the same, and tell us at once: somebody else asked in your name."}
	case n.Change == "reset":
		w.After = []string{"If this was not you, somebody else may be reading your mail: secure your mailbox first, then set a new password by “Forgot your password?”."}
	case n.Change == "cloned":
		w.Lines, w.After = []string{said + ". Since " + minute(n.At) + " it no longer works."}, []string{"Remove it on that page, set up a new one, and check your sessions."}
	case n.Kind == "email":
		w.After = []string{alarm + " If you can no longer sign in, contact us."}
	}
	return w
}

func rights(name string) string {
	switch name {
	case "owner":
		return "an owner"
	case "billing":
		return "a billing contact"
	case "technical":
		return "a technical contact"
	}
	return "a reader"
}

// credential says what happened in a line. What it does not know it calls by its name, so that nobody goes untold.
func credential(kind, change string) string {
	what := map[string]string{"password": "Your password", "passkey": "A passkey", "totp": "Your authenticator", "recovery_codes": "Your recovery codes",
		"email": "Your email address", "api_token": "An API token"}[kind]
	switch {
	case kind == "recovery_codes" && change == "used":
		return "One of your recovery codes was used to sign in"
	case change == "reset":
		return what + " was reset by email"
	case change == "cloned":
		return "One of your passkeys seems to have been copied"
	case kind == "recovery_codes":
		return what + " were " + change
	}
	return or(what, "A way for you to sign in ("+kind+")") + " was " + change
}

func by(name string) string {
	if name == "" {
		return "Our staff"
	}
	return short(name)
}

// short cuts what customers have chosen and strangers are shown, and makes it no link. What holds a slash or an at sign could
// be somebody's advertisement, and is not said at all.
func short(name string) string {
	const most = 60 // characters
	if strings.ContainsAny(name, "/\\@<>") {
		return "(unnamed)"
	}
	if utf8.RuneCountInString(name) > most {
		name = string([]rune(name)[:most]) + "…"
	}
	return or(Unlinked(name), "(unnamed)")
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// errNoToken keeps a mail from going out with a link that opens nothing.
var errNoToken = errors.New("the link of this notice has no token")

// renderNotice writes a mail to a person.
func (r *Renderer) renderNotice(d Delivery) (Rendered, error) {
	var n PersonNotice
	if err := json.Unmarshal(d.Content, &n); err != nil {
		return Rendered{}, fmt.Errorf("read the content of notification %s: %w", d.NotificationID, err)
	}
	w := n.words(d.Template, r.brand.Name)
	if w.Subject == "" {
		return Rendered{}, fmt.Errorf("there is no template %q", d.Template)
	}
	if (n.LinkID != nil) != !d.Token.IsZero() {
		return Rendered{}, errNoToken
	}
	m := Rendered{CustomerName: n.PersonName, Link: r.site(n.Site) + w.Path + fragment(d.Token)}
	data := map[string]any{"Brand": r.brand.Name, "Link": m.Link, "Name": n.PersonName, "It": w}
	var text, html strings.Builder
	if err := r.text.ExecuteTemplate(&text, "person.txt.tmpl", data); err != nil {
		return Rendered{}, fmt.Errorf("write %s: %w", d.Template, err)
	}
	if err := r.html.ExecuteTemplate(&html, "person.html.tmpl", data); err != nil {
		return Rendered{}, fmt.Errorf("write %s: %w", d.Template, err)
	}
	m.Subject, m.Text, m.HTML = w.Subject, text.String(), html.String()
	return m, nil
}

// fragment is where a token stands: no server, log or referrer is told of it.
func fragment(token secret.Text) string {
	if token.IsZero() {
		return ""
	}
	return "#" + token.Reveal()
}

func (r *Renderer) site(name string) string {
	if name == "admin" {
		return r.brand.AdminURL
	}
	return r.brand.URL
}
