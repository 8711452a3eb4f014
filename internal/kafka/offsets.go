package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	leaderTries = 8
	leaderWait  = 50 * time.Millisecond // grows with each try: two seconds in all
)

// Offsets gives the first offset still kept and the offset that the next message will get.
func (c *Client) Offsets(ctx context.Context, topic string, partition int) (first, next int64, err error) {
	found, err := c.listOffsets(ctx, topic, partition, kafkago.FirstOffsetOf(partition), kafkago.LastOffsetOf(partition))
	if err != nil {
		return 0, 0, err
	}
	return found.FirstOffset, found.LastOffset, nil
}

// OffsetAt gives the offset of the first message whose time is at or after at; that of the next message to be written
// when there is none. Messages carry the time that their producer gave them, so those behind the offset may well be older
// than at: what is promised is that none before it is as new.
func (c *Client) OffsetAt(ctx context.Context, topic string, partition int, at time.Time) (int64, error) {
	found, err := c.listOffsets(ctx, topic, partition, kafkago.TimeOffsetOf(partition, at))
	if err != nil {
		return 0, err
	}
	for offset := range found.Offsets {
		if offset >= 0 {
			return offset, nil
		}
	}
	_, next, err := c.Offsets(ctx, topic, partition)
	return next, err
}

// listOffsets asks for a partition's offsets. A leader that has only just been chosen may not know it yet, so a broker that
// is not it is asked again for a little while.
func (c *Client) listOffsets(ctx context.Context, topic string, partition int, what ...kafkago.OffsetRequest) (found kafkago.PartitionOffsets, err error) {
	for try := range leaderTries {
		if found, err = c.listOffsetsOnce(ctx, topic, partition, what); !errors.Is(err, kafkago.NotLeaderForPartition) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return found, err
		case <-time.After(time.Duration(try+1) * leaderWait):
		}
	}
	return found, err
}

func (c *Client) listOffsetsOnce(ctx context.Context, topic string, partition int, what []kafkago.OffsetRequest) (kafkago.PartitionOffsets, error) {
	name := fmt.Sprintf("list offsets of %s/%d", topic, partition)
	response, err := c.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{Topics: map[string][]kafkago.OffsetRequest{topic: what}})
	if err != nil {
		return kafkago.PartitionOffsets{}, c.failure(name, err)
	}
	for _, p := range response.Topics[topic] {
		if p.Partition == partition {
			return p, c.failure(name, p.Error)
		}
	}
	return kafkago.PartitionOffsets{}, fmt.Errorf("%s: no answer: %w", name, ErrUnavailable)
}
