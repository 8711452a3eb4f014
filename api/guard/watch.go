package guard

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query/access"
)

// Bounds of the watch.
const (
	watchEvery = 2 * time.Second
	watchBound = 5 * time.Second
	blindFor   = 5 // failed looks after which every stream ends: what cannot be asked for is not allowed
)

// Watch ends what outlives a request, the live streams, when a request would be refused that came with the same session or
// token now: for each it finds who asks, and asks Access.decide, as at the beginning. It finds all at a time, and none when
// there is none.
type Watch struct {
	find func(context.Context, []credential) (map[credential]*Principal, error)
	now  func() time.Time
	log  *slog.Logger
	mu   sync.Mutex
	open map[*watched]struct{}
	runs bool
}

// watched is one stream.
type watched struct {
	credential
	access   Access
	customer uuid.UUID // the account that was looked at: who has chosen another has nothing to do here
	ended    chan struct{}
}

// For gives a channel that is closed when the principal may not do any more what access says, and what to call when nobody
// listens any more. For the operator's token, which lives as long as the process, the channel is nil.
func (w *Watch) For(p *Principal, access Access) (ended <-chan struct{}, leave func()) {
	c := p.credential()
	if c == (credential{}) {
		return nil, func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &watched{credential: c, access: access, customer: p.Customer, ended: make(chan struct{})}
	w.open[s] = struct{}{}
	if !w.runs {
		w.runs = true
		go w.run()
	}
	return s.ended, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.open, s)
	}
}

// run looks until no stream is left.
func (w *Watch) run() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	failed := 0
	for range tick.C {
		asked := w.credentials()
		if asked == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), watchBound)
		found, err := w.find(ctx, asked)
		cancel()
		if err != nil {
			failed++
			w.log.Warn("cannot ask who has live streams", "credentials", len(asked), "error", err)
			if failed < blindFor {
				continue
			}
			found = nil
		}
		failed = 0
		w.end(asked, found)
	}
}

// credentials lists what streams were begun with; nil, and the end of run, when there is none.
func (w *Watch) credentials() []credential {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		w.runs = false
		return nil
	}
	all := make(map[credential]bool, len(w.open))
	list := make([]credential, 0, len(w.open))
	for s := range w.open {
		if !all[s.credential] {
			all[s.credential], list = true, append(list, s.credential)
		}
	}
	return list
}

// end ends the streams of those who were asked about and may not have them.
func (w *Watch) end(asked []credential, found map[credential]*Principal) {
	about := make(map[credential]bool, len(asked))
	for _, c := range asked {
		about[c] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.open {
		who := found[s.credential]
		if about[s.credential] && (who == nil || who.Customer != s.customer || s.access.decide(who, w.now()) != nil) {
			close(s.ended)
			delete(w.open, s)
		}
	}
}

// credential is what a principal came with: the id of a session or of an API token, or the hash of an application's access
// token. The zero one is the operator's.
type credential struct {
	session, token uuid.UUID
	oauth          secret.Hash
}

func (p *Principal) credential() credential {
	if p == nil {
		return credential{}
	}
	return credential{session: p.Session, token: p.Token, oauth: p.oauth}
}

// find finds who comes with each of these now; who is not found comes with nothing that works. Nobody is noted as seen: a
// stream keeps no session alive.
func (g *Guard) find(ctx context.Context, all []credential) (map[credential]*Principal, error) {
	var sessionIDs, tokenIDs []uuid.UUID
	var hashes []secret.Hash
	for _, c := range all {
		switch {
		case c.session != uuid.Nil:
			sessionIDs = append(sessionIDs, c.session)
		case c.token != uuid.Nil:
			tokenIDs = append(tokenIDs, c.token)
		default:
			hashes = append(hashes, c.oauth)
		}
	}
	now, found := g.now(), make(map[credential]*Principal, len(all))
	add := func(p *Principal) { found[p.credential()] = p }
	if err := each(sessionIDs, func() ([]access.Session, error) { return access.FindSessions(ctx, g.door, sessionIDs, now) }, func(s access.Session) { add(ofSession(Site(s.Site), s)) }); err != nil {
		return nil, err
	}
	if err := each(tokenIDs, func() ([]access.Token, error) { return access.FindTokens(ctx, g.door, tokenIDs, now) }, func(t access.Token) { add(ofToken(Site(t.Site), t)) }); err != nil {
		return nil, err
	}
	err := each(hashes, func() ([]access.OAuthToken, error) { return access.FindOAuthTokens(ctx, g.door, hashes) }, func(t access.OAuthToken) {
		if t.Works(now) {
			add(ofOAuth(Site(t.Site), t))
		}
	})
	return found, err
}

// each asks, unless there is nothing to ask about, and takes each of the answers.
func each[K, T any](about []K, ask func() ([]T, error), take func(T)) error {
	if len(about) == 0 {
		return nil
	}
	rows, err := ask()
	for _, row := range rows {
		take(row)
	}
	return err
}
