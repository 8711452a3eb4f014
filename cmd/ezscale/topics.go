package main

import (
	"time"

	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

const usageRetention = 90 * 24 * time.Hour

// topics are all that the platform uses. Domain events are kept for ever: read models rebuild from them.
func topics(cfg config.Config) []kafka.Topic {
	return []kafka.Topic{
		kafka.NewTopic(events.TopicEvents, events.EventPartitions, cfg.KafkaReplication, kafka.Forever),
		kafka.NewTopic(events.TopicFlowsRaw, events.FlowPartitions, cfg.KafkaReplication, cfg.Collector.RawRetention),
		kafka.NewTopic(events.TopicUsage, events.UsagePartitions, cfg.KafkaReplication, usageRetention),
	}
}
