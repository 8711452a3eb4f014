package meter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/progress"
)

// outOfRangePause is how long a worker waits before it looks again whether an operator has decided.
const outOfRangePause = 10 * time.Second

// worker meters one partition for as long as it holds the lease, in sessions: each begins with what the database
// says and ends when memory may no longer be trusted.
type worker struct {
	*shared
	partition int
	progress  progress.Progress
}

func newWorker(s *shared, partition int) *worker { return &worker{shared: s, partition: partition} }

func (w *worker) run(ctx context.Context) {
	wait := firstRetryWait
	for ctx.Err() == nil {
		began := w.cfg.Machine()
		err := w.hold(ctx)
		if ctx.Err() != nil {
			break
		}
		if w.cfg.Machine().Sub(began) > w.cfg.StallAfter {
			wait = firstRetryWait
		}
		_ = background.Pause(ctx, w.judge(err, wait)) // ctx has ended: so does the loop
		wait = min(2*wait, maxRetryWait)
	}
	w.progress.Drop()
}

// judge tells the outside what ended a session, and how long to wait before the next.
func (w *worker) judge(err error, wait time.Duration) time.Duration {
	switch {
	case errors.Is(err, consumer.ErrHeld):
		w.progress.Drop()
		return w.cfg.RetryLease
	case errors.Is(err, kafka.ErrOffsetOutOfRange):
		w.log.Error("the log no longer holds what comes next; usage is missing until an operator decides", "partition", w.partition, "error", err)
		w.progress.Stopped(fmt.Errorf("stopped, usage since then is not metered: %w; to go on without it, set consumer_offset.next and meter.state_offset"+
			" of this partition to an offset that is there, and meter.state to null", err))
		return outOfRangePause
	}
	w.log.Warn("metering begins anew from the database", "partition", w.partition, "error", err, "wait", wait)
	w.progress.Failed(err)
	return wait
}

// hold takes the lease, works under it, and gives it back.
func (w *worker) hold(ctx context.Context) error {
	key := consumer.Key{Consumer: Consumer, Topic: w.cfg.Topic, Partition: w.partition}
	lease, err := consumer.Acquire(ctx, w.pool, key, w.cfg.Owner, w.cfg.LeaseTTL)
	if err != nil {
		return err
	}
	defer w.release(ctx, lease)
	w.progress.Take(w.cfg.Machine())
	s, err := w.begin(ctx, lease)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.loop(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return s.finish(context.WithoutCancel(ctx))
}

func (w *worker) release(ctx context.Context, lease *consumer.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxRetryWait)
	defer cancel()
	if err := lease.Release(ctx); err != nil {
		w.log.Warn("lease not given back, it will expire", "partition", w.partition, "error", err)
	}
}

// show publishes how far the partition is behind.
func (w *worker) show(newest time.Time, behind int64) {
	w.progress.Moved(w.cfg.Machine(), newest, behind)
	label := strconv.Itoa(w.partition)
	w.metrics.behind.WithLabelValues(label).Set(float64(behind))
	w.metrics.behindSeconds.WithLabelValues(label).Set(w.progress.Lag(w.cfg.Now()).Time.Seconds())
}
