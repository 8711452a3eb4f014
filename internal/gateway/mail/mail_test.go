package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"

	"github.com/ezscale/platform/internal/gateway/mail"
)

// postOffice is a real SMTP server that refuses what it is told to.
type postOffice struct {
	atRcpt, atData *smtp.SMTPError
	mu             sync.Mutex
	got            []string
}

func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{p}, nil }

type session struct{ *postOffice }

func (*session) Reset()                                 {}
func (*session) Logout() error                          { return nil }
func (*session) Mail(string, *smtp.MailOptions) error   { return nil }
func (s *session) Rcpt(string, *smtp.RcptOptions) error { return refusal(s.atRcpt) }
func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, string(text))
	return refusal(s.atData)
}

func refusal(e *smtp.SMTPError) error {
	if e == nil {
		return nil
	}
	return e
}

func open(t *testing.T, p *postOffice) *mail.Sender {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(p)
	server.Domain = "mx.example"
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return sender(t, listener.Addr().(*net.TCPAddr).Port, 10*time.Second)
}

func sender(t *testing.T, port int, timeout time.Duration) *mail.Sender {
	t.Helper()
	s, err := mail.New(mail.Config{Host: "127.0.0.1", Port: port, TLS: mail.TLSNone, From: "Éxample Hosting <billing@example.com>", Hello: "panel.example", Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message() mail.Message {
	return mail.Message{ID: "0190-quota", To: "ada@example.org", ToName: "Ada Lovelace", Subject: "svc-1: 75 % of 1 TB used — soon full", Text: "Hello Ada,\nüber 75 %.\n",
		HTML: "<p>Hello Ada</p>", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func TestSend(t *testing.T) {
	t.Parallel()
	p := &postOffice{}
	if err := open(t, p).Send(context.Background(), message()); err != nil {
		t.Fatal(err)
	}
	r, err := gomessage.CreateReader(strings.NewReader(p.got[0]))
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := r.Header.Subject()
	id, _ := r.Header.MessageID()
	date, _ := r.Header.Date()
	from, _ := r.Header.AddressList("From")
	to, _ := r.Header.AddressList("To")
	got := fmt.Sprint(subject, "|", id, "|", date.UTC().Format(time.RFC3339), "|", from[0].Name, "|", to[0].Name, " ", to[0].Address, "|", r.Header.Get("Auto-Submitted"))
	if want := "svc-1: 75 % of 1 TB used — soon full|0190-quota@example.com|2026-01-02T03:04:05Z|Éxample Hosting|Ada Lovelace ada@example.org|auto-generated"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, want := range []string{"Hello Ada,\r\nüber 75 %.", "<p>Hello Ada</p>"} {
		part, err := r.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(part.Body); strings.TrimSpace(string(body)) != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		atRcpt, atData *smtp.SMTPError
		final          bool
	}{
		"no such mailbox": {&smtp.SMTPError{Code: 550, Message: "no such user"}, nil, true},
		"mailbox full":    {&smtp.SMTPError{Code: 452, Message: "mailbox full"}, nil, false},
		"greylisted":      {&smtp.SMTPError{Code: 451, Message: "come again"}, nil, false},
		"spam":            {nil, &smtp.SMTPError{Code: 554, Message: "no"}, true},
		"disk full":       {nil, &smtp.SMTPError{Code: 452, Message: "later"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := open(t, &postOffice{atRcpt: c.atRcpt, atData: c.atData}).Send(context.Background(), message())
			if err == nil || errors.Is(err, mail.ErrRefused) != c.final {
				t.Errorf("got %v, want final %v", err, c.final)
			}
		})
	}
}

func TestNoServerMayPass(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := sender(t, listener.Addr().(*net.TCPAddr).Port, 10*time.Second).Send(context.Background(), message()); err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestASilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if err := sender(t, listener.Addr().(*net.TCPAddr).Port, 50*time.Millisecond).Send(context.Background(), message()); err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsSmuggledIntoHeaders(t *testing.T) {
	t.Parallel()
	p := &postOffice{}
	s := open(t, p)
	m := message()
	m.Subject, m.ToName = "a\r\nBcc: eve@example.org", "Ada\r\nBcc: eve@example.org"
	if err := s.Send(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(p.got[0], "\nBcc:") {
		t.Errorf("a header came in:\n%s", p.got[0])
	}
	m.To = "ada@example.org\r\nRCPT TO:<eve@example.org>"
	if err := s.Send(context.Background(), m); !errors.Is(err, mail.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []mail.Config{{Host: "mx", From: "nobody"}, {Host: "mx", From: "a@b.example", TLS: "maybe"}, {From: "a@b.example"}, {Host: "mx", From: "a@b.example", Port: 70000}} {
		if _, err := mail.New(cfg); err == nil {
			t.Errorf("%+v must be refused", cfg)
		}
	}
}
