// Package devmail is the mailbox of a development platform: an SMTP server and a stand-in for Discord's webhook
// endpoint on loopback, which keep what they are sent instead of delivering it. The last messages are held in
// memory for a page to show, and as files (.eml, .json) so that they survive a restart and open in a mail
// program. Everything is bounded: the number of messages, the size of each, the recipients of one. It has no
// login and no encryption, so it listens on loopback addresses alone and refuses others.
package devmail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
)

const (
	defaultKeep     = 500
	maxMessageBytes = 1 << 20
	maxRecipients   = 50
	ioTimeout       = 30 * time.Second
)

// Config says where to listen and what to keep.
type Config struct {
	Dir     string // of the files; empty: memory only
	SMTP    string // loopback address and port; default 127.0.0.1:0
	Discord string // the same, for the webhook
	Keep    int    // messages; default 500
}

// Message is one mail or webhook post that was caught.
type Message struct {
	ID         uuid.UUID `json:"id"`
	Channel    string    `json:"channel"` // mail, discord
	From       string    `json:"from"`
	To         []string  `json:"to"`
	Subject    string    `json:"subject"`
	Text       string    `json:"text"`
	HTML       string    `json:"html,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
}

// Mailbox catches messages.
type Mailbox struct {
	cfg  Config
	now  func() time.Time
	log  *slog.Logger
	smtp *smtp.Server
	http *http.Server

	listeners [2]net.Listener // mail, webhooks
	serving   sync.WaitGroup

	mu   sync.Mutex
	kept []stored // oldest first
}

// New makes a mailbox; now stamps what comes in.
func New(cfg Config, now func() time.Time, log *slog.Logger) *Mailbox {
	if cfg.Keep <= 0 {
		cfg.Keep = defaultKeep
	}
	for _, address := range []*string{&cfg.SMTP, &cfg.Discord} {
		if *address == "" {
			*address = "127.0.0.1:0"
		}
	}
	return &Mailbox{cfg: cfg, now: now, log: log}
}

// Start reads the files of earlier runs and begins to listen.
func (m *Mailbox) Start(context.Context) error {
	if m.smtp != nil {
		return nil
	}
	if err := m.load(); err != nil {
		return err
	}
	mailListener, err := listen(m.cfg.SMTP)
	if err != nil {
		return fmt.Errorf("mailbox for mail: %w", err)
	}
	hookListener, err := listen(m.cfg.Discord)
	if err != nil {
		mailListener.Close()
		return fmt.Errorf("mailbox for webhooks: %w", err)
	}
	m.listeners = [2]net.Listener{mailListener, hookListener}
	m.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{mailbox: m}, nil }))
	m.smtp.Domain, m.smtp.MaxMessageBytes, m.smtp.MaxRecipients = "localhost", maxMessageBytes, maxRecipients
	m.smtp.ReadTimeout, m.smtp.WriteTimeout, m.smtp.EnableSMTPUTF8 = ioTimeout, ioTimeout, true
	m.http = &http.Server{Handler: m.webhook(), ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, MaxHeaderBytes: 16 << 10}
	m.serve("mail", m.smtp.Serve, mailListener)
	m.serve("webhooks", m.http.Serve, hookListener)
	return nil
}

func (m *Mailbox) serve(what string, serve func(net.Listener) error, listener net.Listener) {
	m.serving.Go(func() {
		if err := serve(listener); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("the development mailbox stopped", "for", what, "error", err)
		}
	})
}

// Stop ends listening. It may be called twice, or without Start.
func (m *Mailbox) Stop(ctx context.Context) error {
	if m.smtp == nil {
		return nil
	}
	err := errors.Join(m.smtp.Close(), m.http.Shutdown(ctx))
	for _, l := range m.listeners { // a server that had not yet begun to serve does not know its listener
		if closed := l.Close(); !errors.Is(closed, net.ErrClosed) {
			err = errors.Join(err, closed)
		}
	}
	m.serving.Wait()
	m.smtp, m.http = nil, nil
	return err
}

// SMTPAddr is the address of the SMTP server, once started.
func (m *Mailbox) SMTPAddr() netip.AddrPort { return m.listeners[0].Addr().(*net.TCPAddr).AddrPort() }

// DiscordURL is the webhook that posts are caught at, once started.
func (m *Mailbox) DiscordURL() string {
	return "http://" + m.listeners[1].Addr().String() + "/api/webhooks/1/development"
}

// List gives the messages that are kept, newest first.
func (m *Mailbox) List() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Message, 0, len(m.kept))
	for i := len(m.kept) - 1; i >= 0; i-- {
		list = append(list, m.kept[i].Message)
	}
	return list
}

func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
		listener.Close()
		return nil, fmt.Errorf("%s is not a loopback address", address)
	}
	return listener, nil
}
