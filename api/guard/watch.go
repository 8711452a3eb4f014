package guard

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/access"
)

// Bounds of the watch.
const (
	watchEvery = 2 * time.Second
	watchBound = 5 * time.Second
	blindFor   = 5 // failed looks after which every stream ends: what cannot be asked for is not allowed
)

// Watch ends what outlives a request, the live streams, when the session or token that it began with ends. It asks about
// all that have one at a time, and not at all when there is none.
type Watch struct {
	db   query.Postgres
	now  func() time.Time
	log  *slog.Logger
	mu   sync.Mutex
	open map[uuid.UUID]*watched
	runs bool
}

type watched struct {
	ended   chan struct{}
	streams int
}

func newWatch(db query.Postgres, now func() time.Time, log *slog.Logger) *Watch {
	return &Watch{db: db, now: now, log: log, open: map[uuid.UUID]*watched{}}
}

// For gives a channel that is closed when the principal's session or token ends, and what to call when nobody listens
// any more. For the operator's token, which lives as long as the process, the channel is nil.
func (w *Watch) For(p *Principal) (ended <-chan struct{}, leave func()) {
	id := p.credential()
	if id == uuid.Nil {
		return nil, func() {}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.open[id]
	if s == nil {
		s = &watched{ended: make(chan struct{})}
		w.open[id] = s
	}
	s.streams++
	if !w.runs {
		w.runs = true
		go w.run()
	}
	return s.ended, func() { w.leave(id, s) }
}

func (w *Watch) leave(id uuid.UUID, s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.streams--; s.streams == 0 && w.open[id] == s {
		delete(w.open, id)
	}
}

// run looks until no stream is left.
func (w *Watch) run() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	failed := 0
	for range tick.C {
		ids := w.watched()
		if ids == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), watchBound)
		over, err := access.Ended(ctx, w.db, ids, w.now())
		cancel()
		if err != nil {
			failed++
			w.log.Warn("cannot ask which sessions and tokens are over", "streams", len(ids), "error", err)
			if failed < blindFor {
				continue
			}
			over = ids
		}
		failed = 0
		w.end(over)
	}
}

// watched lists what is watched; nil, and the end of run, when there is nothing.
func (w *Watch) watched() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		w.runs = false
		return nil
	}
	ids := make([]uuid.UUID, 0, len(w.open))
	for id := range w.open {
		ids = append(ids, id)
	}
	return ids
}

func (w *Watch) end(ids []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if s := w.open[id]; s != nil {
			close(s.ended)
			delete(w.open, id)
		}
	}
}
