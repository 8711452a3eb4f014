package devmail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	// Bodies and headers in other charsets than UTF-8 are decoded when this is linked in.
	_ "github.com/emersion/go-message/charset"
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

const maxParts = 20

// session is one SMTP connection.
type session struct {
	mailbox *Mailbox
	to      []string
}

func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r) // bounded by the server
	if err != nil {
		return err
	}
	if err := s.mailbox.keep("mail", s.to, text); err != nil {
		s.mailbox.log.Error("a mail was not kept", "error", err)
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not kept"}
	}
	return nil
}

// webhook answers as Discord does: 200 with a message when asked to wait, else 204; 400 for what is no post.
func (m *Mailbox) webhook() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/webhooks/{id}/{token}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageBytes))
		if err == nil {
			err = m.keep("discord", []string{"webhook " + r.PathValue("id")}, body)
		}
		w.Header().Set("Content-Type", "application/json")
		switch {
		case err != nil:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"message":"Cannot send an empty message","code":50006}`)
		case r.URL.Query().Get("wait") == "true":
			_, _ = io.WriteString(w, `{"id":"1","type":0}`)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return mux
}

// parse reads a raw message of a channel.
func parse(channel string, raw []byte) (Message, error) {
	if channel == "discord" {
		return parsePost(raw)
	}
	return parseMail(raw)
}

func parseMail(raw []byte) (Message, error) {
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if err != nil && r == nil {
		return Message{}, fmt.Errorf("read the mail: %w", err)
	}
	m := Message{Channel: "mail"}
	m.From, m.To, m.Subject = strings.Join(addresses(r, "From"), ", "), addresses(r, "To"), subject(r)
	for range maxParts {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && part == nil {
			return Message{}, fmt.Errorf("read a part of the mail: %w", err)
		}
		if err := m.take(part); err != nil {
			return Message{}, err
		}
	}
	return m, nil
}

// addresses writes a header's addresses as "Name <address>", or the address alone.
func addresses(r *mail.Reader, name string) []string {
	list, err := r.Header.AddressList(name)
	if err != nil {
		return []string{r.Header.Get(name)}
	}
	var all []string
	for _, a := range list {
		if a.Name == "" {
			all = append(all, a.Address)
			continue
		}
		all = append(all, a.Name+" <"+a.Address+">")
	}
	return all
}

func subject(r *mail.Reader) string {
	text, err := r.Header.Subject()
	if err != nil {
		return r.Header.Get("Subject")
	}
	return text
}

func (m *Message) take(part *mail.Part) error {
	kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	body, err := io.ReadAll(io.LimitReader(part.Body, maxMessageBytes))
	if err != nil {
		return fmt.Errorf("read a part of the mail: %w", err)
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(string(body), "\r\n", "\n"), "�")
	switch {
	case kind == "text/plain" && m.Text == "":
		m.Text = text
	case kind == "text/html" && m.HTML == "":
		m.HTML = text
	}
	return nil
}

func parsePost(raw []byte) (Message, error) {
	var post struct {
		Username, Content string
		Embeds            []struct {
			Title, Description, URL string
			Fields                  []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(raw, &post); err != nil {
		return Message{}, fmt.Errorf("read the post: %w", err)
	}
	if post.Content == "" && len(post.Embeds) == 0 {
		return Message{}, errors.New("the post is empty")
	}
	m := Message{Channel: "discord", From: post.Username, Subject: post.Content}
	lines := []string{post.Content}
	for _, e := range post.Embeds {
		lines = append(lines, e.Title, e.Description)
		for _, f := range e.Fields {
			lines = append(lines, f.Name+": "+f.Value)
		}
		lines = append(lines, e.URL)
	}
	for _, line := range lines {
		if line != "" {
			m.Text += line + "\n"
		}
	}
	return m, nil
}
