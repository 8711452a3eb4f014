package bench

import (
	"context"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/cmd/ezscale/bench/stage"
)

// catchUp starts the meter behind a log that is full. Its start is in the time and in the cost.
func catchUp(ctx context.Context, s *stage.Stage, row Row, sent load.Sent) (Row, error) {
	time.Sleep(2 * time.Second) // what the collector holds goes to the log
	begun, err := spentBy(s)
	if err != nil {
		return row, err
	}
	began := time.Now()
	if err := s.StartMeter(ctx); err != nil {
		return row, err
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	w := &watch{stage: s, row: &row}
	w.waiting.Go(func() { w.run(watching) })
	if err := awaitCounted(ctx, s, sent.Datagrams); err != nil {
		return row, err
	}
	row.CaughtUp = time.Since(began).Seconds()
	stop()
	w.waiting.Wait()
	if err := row.account(s, begun, sent); err != nil {
		return row, err
	}
	if err := row.compare(ctx, s, stage.Books{}, sent); err != nil {
		return row, err
	}
	row.CatchUpRate = float64(load.SamplesEach*row.Counted) / row.CaughtUp
	return row, nil
}
