package elastiflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/schemas/events"
)

const (
	sendRows    = 12 // of one request: below a broker's usual 1 MiB
	sendPoll    = time.Second
	requestTime = 30 * time.Second
	sendTries   = 10 // of a partition before it is said loudly
)

// sender brings the outbox to Kafka: for each partition in order, one request at a time, repeated until it is answered.
type sender struct {
	journal *journal.Journal
	kafka   Producer
	topic   string
	log     *slog.Logger
	wakes   [events.FlowPartitions]chan struct{}
}

func newSender(j *journal.Journal, k Producer, topic string, log *slog.Logger) *sender {
	s := &sender{journal: j, kafka: k, topic: topic, log: log}
	for p := range s.wakes {
		s.wakes[p] = make(chan struct{}, 1)
	}
	return s
}

// wake says that there is something to send.
func (s *sender) wake() {
	for _, w := range s.wakes {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// run sends what a job has to send until ctx ends.
func (s *sender) run(ctx context.Context, job uuid.UUID) error {
	group, ctx := errgroup.WithContext(ctx)
	for p := range events.FlowPartitions {
		group.Go(func() error {
			for ctx.Err() == nil {
				if err := s.partition(ctx, job, p); err != nil {
					return err
				}
				select {
				case <-ctx.Done():
				case <-s.wakes[p]:
				case <-time.After(sendPoll):
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// empty sends everything that a job has to send.
func (s *sender) empty(ctx context.Context, job uuid.UUID) error {
	for p := range events.FlowPartitions {
		if err := s.partition(ctx, job, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// partition sends until nothing waits. It ends with an error only when a message can never be sent.
func (s *sender) partition(ctx context.Context, job uuid.UUID, p int) error {
	most := sendRows
	wait := firstPause
	for tries := 1; ctx.Err() == nil; tries++ {
		n, err := s.batch(ctx, job, p, most)
		switch {
		case err == nil && n == 0:
			return nil
		case err == nil:
			wait, tries = firstPause, 0
			continue
		case errors.Is(err, kafka.ErrTooLarge) && n == 1:
			return fmt.Errorf("an envelope of partition %d can never be sent; raise the topic's max.message.bytes and run this again: %w", p, err)
		case errors.Is(err, kafka.ErrTooLarge):
			most = max(n/2, 1)
			continue
		}
		if ctx.Err() == nil && tries%sendTries == 1 {
			s.log.Warn("envelopes are not taken; they wait", "partition", p, "error", err)
		}
		if pause(ctx, wait/2+rand.N(wait/2)) != nil {
			return nil
		}
		wait = min(2*wait, lastPause)
	}
	return nil
}

// batch sends the first envelopes and forgets them when the broker has them.
func (s *sender) batch(ctx context.Context, job uuid.UUID, p, most int) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	rows, err := s.journal.First(ctx, job, p, most)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	msgs := make([]kafka.Message, len(rows))
	for i, row := range rows {
		msgs[i] = kafka.Message{Value: row.Value}
	}
	if _, err := s.kafka.Produce(ctx, s.topic, p, msgs); err != nil {
		return len(rows), err
	}
	return len(rows), s.journal.Sent(ctx, job, p, rows[len(rows)-1].Sequence)
}
