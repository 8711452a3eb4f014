package devmail_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	gomail "github.com/wneessen/go-mail"

	"github.com/ezscale/platform/internal/devmail"
)

func start(t *testing.T, cfg devmail.Config) *devmail.Mailbox {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := devmail.New(cfg, func() time.Time { at = at.Add(time.Second); return at }, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Stop(context.Background()) })
	return m
}

func sendMail(t *testing.T, m *devmail.Mailbox, subject string) {
	t.Helper()
	client, err := gomail.NewClient(m.SMTPAddr().Addr().String(), gomail.WithPort(int(m.SMTPAddr().Port())), gomail.WithTLSPolicy(gomail.NoTLS))
	if err != nil {
		t.Fatal(err)
	}
	message := gomail.NewMsg()
	_ = message.FromFormat("Bönus", "from@example.com")
	_ = message.To("to@example.org")
	message.Subject(subject)
	message.SetBodyString(gomail.TypeTextPlain, "Grüße\n")
	message.AddAlternativeString(gomail.TypeTextHTML, "<p>Grüße</p>")
	if err := client.DialAndSend(message); err != nil {
		t.Fatal(err)
	}
}

func post(t *testing.T, m *devmail.Mailbox, query, body string) int {
	t.Helper()
	response, err := http.Post(m.DiscordURL()+query, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestCatchesAndKeepsOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := start(t, devmail.Config{Dir: dir})
	sendMail(t, m, "75 % — Größe")
	if status := post(t, m, "?wait=true", `{"username":"EZSCALE","content":"hello","embeds":[{"title":"Quota","fields":[{"name":"Used","value":"1 TB"}]}]}`); status != 200 {
		t.Errorf("got %d", status)
	}
	if status := post(t, m, "", `{"content":"second"}`); status != 204 {
		t.Errorf("got %d", status)
	}
	if status := post(t, m, "", `{"content":""}`); status != 400 {
		t.Errorf("got %d", status)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []devmail.Message{
		{Channel: "discord", To: []string{"webhook 1"}, Subject: "second", Text: "second\n", ReceivedAt: at.Add(3 * time.Second)},
		{Channel: "discord", From: "EZSCALE", To: []string{"webhook 1"}, Subject: "hello", Text: "hello\nQuota\nUsed: 1 TB\n", ReceivedAt: at.Add(2 * time.Second)},
		{Channel: "mail", From: "Bönus <from@example.com>", To: []string{"to@example.org"}, Subject: "75 % — Größe", Text: "Grüße\n", HTML: "<p>Grüße</p>", ReceivedAt: at.Add(time.Second)},
	}
	before := m.List()
	if diff := cmp.Diff(want, before, cmpopts.IgnoreFields(devmail.Message{}, "ID")); diff != "" {
		t.Error(diff)
	}
	if err := m.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	again := start(t, devmail.Config{Dir: dir})
	webhook := cmp.FilterValues(func(a, b []string) bool { return len(a) == 0 || len(b) == 0 }, cmp.Ignore()) // a post's file holds no recipient
	if diff := cmp.Diff(before, again.List(), webhook); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
}

func TestKeepsTheNewest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := start(t, devmail.Config{Dir: dir, Keep: 3})
	for i := range 7 {
		post(t, m, "", fmt.Sprintf(`{"content":"%d"}`, i))
	}
	var got []string
	for _, message := range m.List() {
		got = append(got, message.Subject)
	}
	if diff := cmp.Diff([]string{"6", "5", "4"}, got); diff != "" {
		t.Error(diff)
	}
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Errorf("%d files, want 3", len(files))
	}
}

func TestListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	m := devmail.New(devmail.Config{SMTP: "0.0.0.0:0"}, time.Now, slog.New(slog.DiscardHandler))
	if err := m.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
	if err := m.Stop(context.Background()); err != nil {
		t.Errorf("stop without start: %v", err)
	}
}
