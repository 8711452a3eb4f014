package pcap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ezscale/platform/internal/kafka"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// sender gathers envelopes into requests, one in flight at a time, repeated until Kafka has answered: what is sent
// after them must not overtake them, or the meter would take them for repeats.
type sender struct {
	replay  *Replay
	pending [][]kafka.Message // by partition
	bytes   []int
	sent    int64
}

func newSender(r *Replay) *sender {
	return &sender{replay: r, pending: make([][]kafka.Message, r.cfg.Partitions), bytes: make([]int, r.cfg.Partitions)}
}

// add gives an envelope to its partition's next request, which goes when it is full.
func (s *sender) add(ctx context.Context, partition int, value []byte) error {
	if s.bytes[partition]+len(value) > requestBytes {
		if err := s.flushOne(ctx, partition); err != nil {
			return err
		}
	}
	s.pending[partition] = append(s.pending[partition], kafka.Message{Value: value})
	s.bytes[partition] += len(value)
	return nil
}

// flush sends all that waits.
func (s *sender) flush(ctx context.Context) error {
	for partition := range s.pending {
		if err := s.flushOne(ctx, partition); err != nil {
			return err
		}
	}
	return nil
}

func (s *sender) flushOne(ctx context.Context, partition int) error {
	messages := s.pending[partition]
	if len(messages) == 0 {
		return nil
	}
	if err := s.send(ctx, partition, messages); err != nil {
		return err
	}
	s.sent += int64(len(messages))
	clear(messages)
	s.pending[partition], s.bytes[partition] = messages[:0], 0
	return nil
}

// send sends messages until they are acknowledged, in halves when the broker takes less.
func (s *sender) send(ctx context.Context, partition int, messages []kafka.Message) error {
	wait, waited := firstRetry, time.Duration(0)
	for {
		_, err := s.replay.log.Produce(ctx, s.replay.cfg.Topic, partition, messages)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kafka.ErrTooLarge) && len(messages) > 1:
			for half := range slices.Chunk(messages, (len(messages)+1)/2) {
				if err := s.send(ctx, partition, half); err != nil {
					return err
				}
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, kafka.ErrUnavailable) || waited >= giveUpAfter:
			return fmt.Errorf("write envelopes: %w", err)
		}
		if err := s.replay.cfg.Sleep(ctx, wait); err != nil {
			return err
		}
		waited += wait
		wait = min(2*wait, lastRetry)
	}
}
