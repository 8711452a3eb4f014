package kafka

import (
	"context"
	"fmt"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// OffsetAt gives the offset of the first message whose time is at or after at; that of the next message to be written
// when there is none. Messages carry the time that their producer gave them, so those behind the offset may well be older
// than at: what is promised is that none before it is as new.
func (c *Client) OffsetAt(ctx context.Context, topic string, partition int, at time.Time) (int64, error) {
	response, err := c.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{topic: {kafkago.TimeOffsetOf(partition, at)}},
	})
	if err != nil {
		return 0, c.failure("look up an offset by time", err)
	}
	for _, p := range response.Topics[topic] {
		if p.Partition != partition {
			continue
		}
		if p.Error != nil {
			return 0, c.failure("look up an offset by time", p.Error)
		}
		for offset := range p.Offsets {
			if offset >= 0 {
				return offset, nil
			}
		}
		_, next, err := c.Offsets(ctx, topic, partition)
		return next, err
	}
	return 0, fmt.Errorf("look up an offset by time: no answer for %s/%d: %w", topic, partition, ErrUnavailable)
}
