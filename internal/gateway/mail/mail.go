// Package mail hands messages to one SMTP server. It decides nothing: what to say and to whom comes from its
// caller, and so does the message's id, so that a message that is sent twice (a crash after the server took it,
// before that was recorded) carries the same Message-ID and a receiver can tell.
//
// Errors say what the caller can do. ErrRefused: the server will never take this message for this recipient.
// Anything else (no connection, time-out, 4xx, a sender or login that the server does not like) may pass or be
// mended, and is worth another attempt.
package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// ErrRefused is wrapped when the server refuses the recipient or the message for good.
var ErrRefused = errors.New("the mail server refused the message")

// Encryption of the connection.
const (
	TLSStart    = "starttls" // required; the default
	TLSImplicit = "implicit" // from the first byte
	TLSNone     = "none"     // loopback and tests only
)

const defaultTimeout = 15 * time.Second

// Config names the server.
type Config struct {
	Host     string
	Port     int           // default 587, or 465 with implicit TLS
	TLS      string        // starttls (default), implicit, none
	Username string        // empty: no login
	Password string        // never logged
	From     string        // "Example Hosting <billing@example.com>"
	Hello    string        // name in EHLO; default the machine's
	Timeout  time.Duration // of one message; default 15 s
}

// Message is one mail to one recipient, in plain text and, if HTML is not empty, in HTML too.
type Message struct {
	ID      string // unique and constant for the message; the left part of the Message-ID
	To      string // address
	ToName  string
	Subject string
	Text    string
	HTML    string
	At      time.Time // Date header
}

// Sender sends messages. It is safe for concurrent use: each message has a connection of its own.
type Sender struct {
	cfg    Config
	from   *netmail.Address
	domain string // of the sender, right part of Message-IDs
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Sender, error) {
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail sender %q: %w", cfg.From, err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.TLS == "" {
		cfg.TLS = TLSStart
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	s := &Sender{cfg: cfg, from: from, domain: domain}
	if _, err := s.client(); err != nil {
		return nil, err
	}
	return s, nil
}

// Send delivers a message to the server, within the configured time.
func (s *Sender) Send(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	client, err := s.client()
	if err != nil {
		return err
	}
	message, err := s.compose(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	if err == nil || message.IsDelivered() { // the server has it, though it hung up badly
		return nil
	}
	if isFinal(err) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return fmt.Errorf("send mail by %s: %w", s.cfg.Host, err)
}

func (s *Sender) client() (*gomail.Client, error) {
	options := []gomail.Option{gomail.WithTimeout(s.cfg.Timeout)}
	switch s.cfg.TLS {
	case TLSStart:
		options = append(options, gomail.WithTLSPortPolicy(gomail.TLSMandatory))
	case TLSImplicit:
		options = append(options, gomail.WithSSLPort(false))
	case TLSNone:
		options = append(options, gomail.WithTLSPortPolicy(gomail.NoTLS))
	default:
		return nil, fmt.Errorf("mail encryption %q is not starttls, implicit or none", s.cfg.TLS)
	}
	if s.cfg.Port != 0 {
		options = append(options, gomail.WithPort(s.cfg.Port))
	}
	if s.cfg.Hello != "" {
		options = append(options, gomail.WithHELO(s.cfg.Hello))
	}
	if s.cfg.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.cfg.Username), gomail.WithPassword(s.cfg.Password))
	}
	client, err := gomail.NewClient(s.cfg.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("mail server %q: %w", s.cfg.Host, err)
	}
	return client, nil
}

func (s *Sender) compose(m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg()
	message.FromMailAddress(s.from)
	to, err := netmail.ParseAddress(m.To)
	if err != nil || to.Address != m.To {
		return nil, fmt.Errorf("%q is not a mail address", m.To)
	}
	message.ToMailAddress(&netmail.Address{Name: m.ToName, Address: m.To})
	message.Subject(strings.Join(strings.Fields(m.Subject), " "))
	message.SetMessageIDWithValue(m.ID + "@" + s.domain)
	message.SetDateWithValue(m.At.UTC())
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: do not answer by machine
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return message, nil
}

// isFinal tells a 5xx about the recipient or the content. A refused sender is our configuration, which somebody
// will mend.
func isFinal(err error) bool {
	var refused *gomail.SendError
	if !errors.As(err, &refused) || refused.IsTemp() || refused.ErrorCode() < 500 {
		return false
	}
	return refused.Reason == gomail.ErrSMTPRcptTo || refused.Reason == gomail.ErrSMTPData || refused.Reason == gomail.ErrSMTPDataClose
}
