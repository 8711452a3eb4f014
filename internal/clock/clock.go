// Package clock is the platform's time. In production it is the machine's. In development it may run ahead of
// it by an offset kept in Postgres (table clock_offset), so that a month's end can be seen at once; every
// process of an installation follows the same offset within a second, collectors included, so that receive
// times and cycles agree. The offset only grows: time that went backwards would reopen what was closed.
package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/fault"
)

const (
	pollEvery  = 500 * time.Millisecond
	pollBound  = 2 * time.Second
	maxAdvance = 400 * 24 * time.Hour // of one call
)

// Clock tells the time. The zero offset is the machine's own time.
type Clock struct {
	pool   *pgxpool.Pool
	log    *slog.Logger
	offset atomic.Int64 // nanoseconds ahead
	cancel context.CancelFunc
	done   chan struct{}
}

// Real is the machine's clock: nothing to start, nothing to advance.
func Real() *Clock { return &Clock{} }

// NewDevelopment follows the offset stored in the database behind pool (needs write rights to Advance).
func NewDevelopment(pool *pgxpool.Pool, log *slog.Logger) *Clock {
	return &Clock{pool: pool, log: log}
}

// Now is the platform's time, UTC.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()).UTC() }

// Offset is how far Now runs ahead of the machine.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Start reads the offset and follows it until Stop. It does nothing for the real clock.
func (c *Clock) Start(ctx context.Context) error {
	if c.pool == nil || c.cancel != nil {
		return nil
	}
	if err := c.refresh(ctx); err != nil {
		return err
	}
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.done = make(chan struct{})
	go c.follow(ctx)
	return nil
}

// Stop ends the following. It may be called twice, or without Start.
func (c *Clock) Stop(context.Context) error {
	if c.cancel != nil {
		c.cancel()
		<-c.done
		c.cancel = nil
	}
	return nil
}

func (c *Clock) follow(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := c.refresh(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("clock offset not read; keeping the last one", "error", err)
			}
		}
	}
}

func (c *Clock) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollBound)
	defer cancel()
	var micros int64
	err := c.pool.QueryRow(ctx, `select (extract(epoch from ahead) * 1000000)::bigint from clock_offset`).Scan(&micros)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read clock offset: %w", err)
	}
	c.offset.Store(int64(time.Duration(micros) * time.Microsecond))
	return nil
}

// Advance moves every process's clock forward by d and returns the new time. It is refused for the real clock,
// and for a d that is not positive or longer than 400 days.
func (c *Clock) Advance(ctx context.Context, d time.Duration) (time.Time, error) {
	if c.pool == nil {
		return time.Time{}, fault.New(fault.Forbidden, "clock_is_real", "the clock can be advanced in development mode only")
	}
	if d <= 0 || d > maxAdvance {
		return time.Time{}, fault.New(fault.Invalid, "bad_advance", "advance by more than 0 and at most %d days", int(maxAdvance.Hours()/24))
	}
	_, err := c.pool.Exec(ctx, `insert into clock_offset (ahead) values (make_interval(secs => $1))
		on conflict (only_row) do update set ahead = clock_offset.ahead + excluded.ahead`, d.Seconds())
	if err != nil {
		return time.Time{}, fmt.Errorf("advance clock: %w", err)
	}
	if err := c.refresh(ctx); err != nil {
		return time.Time{}, err
	}
	return c.Now(), nil
}
