package guard

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

func TestIsLocal(t *testing.T) {
	t.Parallel()
	cases := []struct {
		peer, forwardedBy string
		want              bool
	}{
		{"127.0.0.1:5000", "", true},
		{"[::1]:5000", "", true},
		{"[::ffff:127.0.0.1]:5000", "", true},
		{"192.0.2.1:5000", "", false},
		{"127.0.0.1:5000", "X-Forwarded-For", false},
		{"127.0.0.1:5000", "Forwarded", false},
		{"127.0.0.1:5000", "Via", false},
		{"@", "", false},
		{"", "", false},
	}
	for _, c := range cases {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwardedBy != "" {
			r.Header.Set(c.forwardedBy, "192.0.2.1")
		}
		if got := isLocal(r); got != c.want {
			t.Errorf("%q forwarded by %q: local %v, want %v", c.peer, c.forwardedBy, got, c.want)
		}
	}
}

func TestIsPlain(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"": false, "short": false, "12345678": true, uuid.NewString(): true, "a_b-c_d-": true,
		"line\nbreak": false, "with blank": false, "größer-als": false,
		strings.Repeat("a", maxRequestID): true, strings.Repeat("a", maxRequestID+1): false,
	} {
		if got := isPlain(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}

func TestUserAgentsAreCut(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "curl/8": "curl/8", "a\nb\x00c\x1bd": "abcd", "größer \xff ✓": "größer  ✓",
		strings.Repeat("ö", 200): strings.Repeat("ö", 128), "x" + strings.Repeat("ö", 200): "x" + strings.Repeat("ö", 127),
	} {
		if got := printable(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSessions()
	first := s.Open(Principal{Role: RoleStaff})
	ended := s.find(first).Ended
	for range maxSessions {
		s.Open(Principal{Role: RoleCustomer})
	}
	if len(s.byKey) != maxSessions {
		t.Errorf("%d sessions, want %d", len(s.byKey), maxSessions)
	}
	if s.find(first) != nil {
		t.Error("the oldest session is still open")
	}
	select {
	case <-ended:
	default:
		t.Error("its streams were not told")
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	s := newSessions()
	id := s.Open(Principal{Role: RoleStaff})
	if s.find(id) == nil || s.find("another") != nil {
		t.Fatal("a session is known by its id alone")
	}
	s.byKey[sessionKey(id)].until = time.Now().Add(-time.Second)
	if s.find(id) != nil || len(s.byKey) != 0 {
		t.Error("an expired session is still there")
	}
	s.Close(sessionKey(id)) // a second end is none
}

func TestAccessOfToken(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t", 32)
	g, none := New(token, false, nil, prometheus.NewRegistry()), New("", false, nil, prometheus.NewRegistry())
	for header, want := range map[string]bool{
		"Bearer " + token: true, "bearer " + token: true, "Basic " + token: false, token: false, "Bearer": false,
		"Bearer " + token + "t": false, "Bearer  " + token: false,
	} {
		if got := g.isToken(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	if none.isToken("Bearer ") {
		t.Error("without a token the empty one is none")
	}
}
