package notify

import (
	"embed"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/period"
	"github.com/ezscale/platform/schemas/events"
)

//go:embed templates/*.tmpl
var templates embed.FS

// Brand is who writes.
type Brand struct {
	Name     string // "Example Hosting"
	URL      string // of the customers' pages, without a slash at the end
	AdminURL string // of the staff's
}

// Rendered is a message as it is read.
type Rendered struct {
	CustomerName string
	Subject      string // also the line of a chat message
	Text         string
	HTML         string
	Link         string // to the page about it
}

// Renderer writes messages. It is safe for concurrent use.
type Renderer struct {
	brand Brand
	text  *template.Template
	html  *htmltemplate.Template
}

// NewRenderer reads the templates.
func NewRenderer(brand Brand) (*Renderer, error) {
	text, err := template.New("").Funcs(functions()).ParseFS(templates, "templates/*.txt.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the text templates: %w", err)
	}
	html, err := htmltemplate.New("").Funcs(functions()).ParseFS(templates, "templates/*.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the HTML templates: %w", err)
	}
	brand.URL, brand.AdminURL = strings.TrimRight(brand.URL, "/"), strings.TrimRight(brand.AdminURL, "/")
	return &Renderer{brand: brand, text: text, html: html}, nil
}

func functions() map[string]any {
	return map[string]any{
		"size":   bytesize.Format,
		"period": func(p events.Period) string { return period.Period(p).String() },
		"minute": minute,
		"name":   Unlinked, // of a person or an account
	}
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

// Render writes the message of a delivery.
func (r *Renderer) Render(d Delivery) (Rendered, error) {
	switch d.Template {
	case TemplateQuotaAlert:
		var content QuotaAlert
		return r.render(d, &content, &content.CustomerName, func() string { return "/services/" + url.PathEscape(content.ServiceName) })
	case TemplateInvoice:
		var content Invoice
		return r.render(d, &content, &content.CustomerName, func() string { return "/invoices/" + content.InvoiceID.String() })
	case TemplatePorts:
		var content Ports
		return r.staff().render(d, &content, new(string), func() string { return "/exporters/" + url.PathEscape(content.ExporterName) })
	case TemplateStaffSignIn:
		var content StaffSignIn
		return r.staff().render(d, &content, new(string), func() string { return "/staff" })
	}
	return r.renderNotice(d)
}

// staff links to the staff's pages.
func (r *Renderer) staff() *Renderer {
	links := *r
	links.brand.URL = r.brand.AdminURL
	return &links
}

func (r *Renderer) render(d Delivery, content any, customerName *string, path func() string) (Rendered, error) {
	if err := json.Unmarshal(d.Content, content); err != nil {
		return Rendered{}, fmt.Errorf("read the content of notification %s: %w", d.NotificationID, err)
	}
	m := Rendered{CustomerName: *customerName, Link: r.brand.URL + path()}
	data := map[string]any{"Brand": r.brand.Name, "Link": m.Link, "It": content}
	var text, html strings.Builder
	if err := r.text.ExecuteTemplate(&text, d.Template+".txt.tmpl", data); err != nil {
		return Rendered{}, fmt.Errorf("write %s: %w", d.Template, err)
	}
	if page := r.html.Lookup(d.Template + ".html.tmpl"); page != nil { // what goes by chat alone has none
		if err := page.Execute(&html, data); err != nil {
			return Rendered{}, fmt.Errorf("write %s: %w", d.Template, err)
		}
	}
	m.Subject, m.Text, _ = strings.Cut(text.String(), "\n\n") // the first line of a text template is its subject
	m.HTML = html.String()
	return m, nil
}
