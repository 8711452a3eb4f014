// Package sender brings a replay's outbox to Kafka: for each partition in order, one request at a time, repeated until
// it is answered. An answer that was lost makes a repeat, which the meter knows by its sequence and drops. Two processes
// may send the same outbox at once: what a row stands behind was acknowledged before the row could be the first, so the
// first occurrences in the log are in order whoever sends them.
package sender

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
	firstPause  = 50 * time.Millisecond
	lastPause   = 10 * time.Second
	sendTries   = 10 // of a partition before it is said loudly
)

// Producer appends to a partition: *kafka.Client.
type Producer interface {
	Produce(ctx context.Context, topic string, partition int, msgs []kafka.Message) (int64, error)
}

// Sender sends what jobs have to send.
type Sender struct {
	journal *journal.Journal
	kafka   Producer
	topic   string
	log     *slog.Logger
	wakes   [events.FlowPartitions]chan struct{}
}

// New is inert.
func New(j *journal.Journal, k Producer, topic string, log *slog.Logger) *Sender {
	s := &Sender{journal: j, kafka: k, topic: topic, log: log}
	for p := range s.wakes {
		s.wakes[p] = make(chan struct{}, 1)
	}
	return s
}

// Wake says that there is something to send.
func (s *Sender) Wake() {
	for _, w := range s.wakes {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Run sends what a job has to send until ctx ends.
func (s *Sender) Run(ctx context.Context, job uuid.UUID) error {
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

// Empty sends everything that a job has to send.
func (s *Sender) Empty(ctx context.Context, job uuid.UUID) error {
	for p := range events.FlowPartitions {
		if err := s.partition(ctx, job, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// partition sends until nothing waits. It ends with an error only when a message can never be sent.
func (s *Sender) partition(ctx context.Context, job uuid.UUID, p int) error {
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
		select {
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		wait = min(2*wait, lastPause)
	}
	return nil
}

// batch sends the first envelopes and forgets them when the broker has them.
func (s *Sender) batch(ctx context.Context, job uuid.UUID, p, most int) (n int, err error) {
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
