package guard

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// Bounds of development sessions.
const (
	SessionLength = 12 * time.Hour

	maxSessions  = 10_000
	sessionBytes = 32
)

// Sessions are the development logins: opaque random ids, kept hashed, in memory, gone with the process.
type Sessions struct {
	mu    sync.Mutex
	byKey map[string]*login
}

type login struct {
	principal Principal
	until     time.Time // of the real clock: a business clock that leaps must not sign everybody out
}

func newSessions() *Sessions { return &Sessions{byKey: map[string]*login{}} }

func sessionKey(id string) string {
	sum := sha256.Sum256([]byte(id))
	return string(sum[:])
}

// Open makes a session and gives its id, which is not kept. When there are too many, the expired go, then the one
// that expires first.
func (s *Sessions) Open(p Principal) string {
	secret := make([]byte, sessionBytes)
	_, _ = rand.Read(secret) // never fails, as crypto/rand promises
	id := base64.RawURLEncoding.EncodeToString(secret)
	p.Session, p.Ended = sessionKey(id), make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.byKey) >= maxSessions {
		s.makeRoom(now)
	}
	s.byKey[p.Session] = &login{principal: p, until: now.Add(SessionLength)}
	return id
}

func (s *Sessions) makeRoom(now time.Time) {
	first := ""
	for key, l := range s.byKey {
		switch {
		case now.After(l.until):
			s.end(key)
		case first == "" || l.until.Before(s.byKey[first].until):
			first = key
		}
	}
	if len(s.byKey) >= maxSessions {
		s.end(first)
	}
}

func (s *Sessions) find(id string) *Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.byKey[sessionKey(id)]
	if !ok {
		return nil
	}
	if time.Now().After(l.until) {
		s.end(sessionKey(id))
		return nil
	}
	return &l.principal
}

// Close ends a session and its streams.
func (s *Sessions) Close(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(key)
}

func (s *Sessions) end(key string) {
	if l, ok := s.byKey[key]; ok {
		close(l.principal.Ended)
		delete(s.byKey, key)
	}
}
