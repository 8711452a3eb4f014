// Package topics is what the platform wants of Kafka: which topics, and for how long they keep what is in them.
package topics

import (
	"context"
	"time"

	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

const (
	usageRetention = 90 * 24 * time.Hour
	keepRawBound   = 10 * time.Second
)

// All are all that the platform uses. Domain events are kept for ever: read models rebuild from them.
func All(cfg config.Config) []kafka.Topic {
	return []kafka.Topic{
		kafka.NewTopic(events.TopicEvents, events.EventPartitions, cfg.KafkaReplication, kafka.Forever),
		kafka.NewTopic(events.TopicFlowsRaw, events.FlowPartitions, cfg.KafkaReplication, cfg.Collector.RawRetention),
		kafka.NewTopic(events.TopicUsage, events.UsagePartitions, cfg.KafkaReplication, usageRetention),
	}
}

// KeepRaw applies a retention of raw datagrams that was set to the topic that is there. Where it was not, the default must
// not shorten what somebody else has set.
func KeepRaw(ctx context.Context, client *kafka.Client, topic string, cfg config.Config) error {
	if !cfg.Collector.KeepsRaw {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, keepRawBound)
	defer cancel()
	return client.SetRetention(ctx, topic, cfg.Collector.RawRetention)
}
