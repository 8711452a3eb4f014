package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/background"
)

// Channel is the Postgres notification channel that wakes the relay.
const Channel = "outbox"

const notifyBound = 2 * time.Second

// Waker tells the relay that something was committed. Wakes are gathered while one notification is on its way:
// a NOTIFY inside each transaction would make all commits wait for one another. A lost wake costs the relay's
// polling interval, nothing more.
type Waker struct {
	pool    *pgxpool.Pool
	log     *slog.Logger
	pending chan struct{} // holds one
	work    background.Group
}

// NewWaker makes a waker; it sends nothing before Start.
func NewWaker(pool *pgxpool.Pool, log *slog.Logger) *Waker {
	return &Waker{pool: pool, log: log, pending: make(chan struct{}, 1)}
}

// Wake asks for a notification and returns at once. Call it after the commit.
func (w *Waker) Wake() {
	select {
	case w.pending <- struct{}{}:
	default:
	}
}

// Start begins to send.
func (w *Waker) Start(ctx context.Context) error {
	ctx, ok := w.work.Start(ctx)
	if !ok {
		return nil
	}
	w.work.Go(func() { w.send(ctx) })
	return nil
}

// Stop ends sending. A wake that is still pending is left to the relay's polling.
func (w *Waker) Stop(ctx context.Context) error { return w.work.Stop(context.WithoutCancel(ctx)) }

func (w *Waker) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.pending:
		}
		if err := w.notify(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("the relay was not woken, it will poll", "error", err)
		}
	}
}

func (w *Waker) notify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, notifyBound)
	defer cancel()
	_, err := w.pool.Exec(ctx, "select pg_notify($1, '')", Channel)
	return err
}
