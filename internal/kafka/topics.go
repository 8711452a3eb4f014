package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Forever as a retention keeps a topic's messages for ever.
const Forever time.Duration = -1

const (
	retentionName = "retention.ms"

	leaderPoll  = 50 * time.Millisecond
	leaderBound = 30 * time.Second // for the brokers to agree on leaders of new partitions
)

// Topic is a wish: EnsureTopics makes it so.
type Topic struct {
	Name        string
	Partitions  int
	Replication int
	Config      map[string]string // broker's names: "retention.ms"
}

// NewTopic is a topic whose messages are deleted by age only, or never (Forever).
func NewTopic(name string, partitions, replication int, retention time.Duration) Topic {
	milliseconds := int64(-1)
	if retention != Forever {
		milliseconds = retention.Milliseconds()
	}
	return Topic{Name: name, Partitions: partitions, Replication: replication, Config: map[string]string{
		"cleanup.policy": "delete", retentionName: strconv.FormatInt(milliseconds, 10), "retention.bytes": "-1",
	}}
}

// EnsureTopics makes what is missing, sets the configuration of what is there, and waits until each partition
// has a leader. A topic that exists with another partition count is ErrPartitionCount: keys would move.
func (c *Client) EnsureTopics(ctx context.Context, topics []Topic) error {
	ctx, cancel := context.WithTimeout(ctx, leaderBound)
	defer cancel()
	request := &kafkago.CreateTopicsRequest{}
	for _, t := range topics {
		request.Topics = append(request.Topics, kafkago.TopicConfig{
			Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replication, ConfigEntries: t.entries(),
		})
	}
	response, err := c.client.CreateTopics(ctx, request)
	if err != nil {
		return c.failure("make topics", err)
	}
	for _, t := range topics {
		if err := c.settle(ctx, t, response.Errors[t.Name]); err != nil {
			return err
		}
	}
	return nil
}

func (t Topic) entries() []kafkago.ConfigEntry {
	var entries []kafkago.ConfigEntry
	for _, name := range slices.Sorted(maps.Keys(t.Config)) {
		entries = append(entries, kafkago.ConfigEntry{ConfigName: name, ConfigValue: t.Config[name]})
	}
	return entries
}

func (c *Client) settle(ctx context.Context, t Topic, made error) error {
	switch {
	case errors.Is(made, kafkago.TopicAlreadyExists):
		if err := c.configure(ctx, t); err != nil {
			return err
		}
	case made != nil:
		return c.failure("make topic "+t.Name, made)
	}
	return c.awaitLeaders(ctx, t)
}

func (c *Client) configure(ctx context.Context, t Topic) error {
	resource := kafkago.IncrementalAlterConfigsRequestResource{ResourceType: kafkago.ResourceTypeTopic, ResourceName: t.Name}
	for _, e := range t.entries() {
		resource.Configs = append(resource.Configs, kafkago.IncrementalAlterConfigsRequestConfig{
			Name: e.ConfigName, Value: e.ConfigValue, ConfigOperation: kafkago.ConfigOperationSet,
		})
	}
	if len(resource.Configs) == 0 {
		return nil
	}
	response, err := c.client.IncrementalAlterConfigs(ctx, &kafkago.IncrementalAlterConfigsRequest{
		Resources: []kafkago.IncrementalAlterConfigsRequestResource{resource},
	})
	if err != nil {
		return c.failure("configure topic "+t.Name, err)
	}
	for _, r := range response.Resources {
		if r.Error != nil {
			return c.failure("configure topic "+t.Name, r.Error)
		}
	}
	return nil
}

// SetRetention changes for how long an existing topic keeps its messages. What is older goes at the broker's next look.
func (c *Client) SetRetention(ctx context.Context, topic string, retention time.Duration) error {
	t := NewTopic(topic, 0, 0, retention)
	t.Config = map[string]string{retentionName: t.Config[retentionName]}
	return c.configure(ctx, t)
}

// Retention is for how long a topic keeps its messages, Forever for ever.
func (c *Client) Retention(ctx context.Context, topic string) (time.Duration, error) {
	value, err := c.setting(ctx, topic, retentionName)
	if err != nil {
		return 0, err
	}
	milliseconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the retention of topic %s: %w", topic, err)
	}
	if milliseconds < 0 {
		return Forever, nil
	}
	return time.Duration(milliseconds) * time.Millisecond, nil
}

// awaitLeaders asks a broker directly: the transport's metadata is a few seconds old.
func (c *Client) awaitLeaders(ctx context.Context, t Topic) error {
	for {
		partitions, err := c.partitions(ctx, t.Name)
		if err == nil && len(partitions) != t.Partitions {
			return fmt.Errorf("topic %s has %d partitions, wanted %d: %w", t.Name, len(partitions), t.Partitions, ErrPartitionCount)
		}
		if err == nil && !slices.ContainsFunc(partitions, func(p kafkago.Partition) bool { return p.Leader.Host == "" || p.Error != nil }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the leaders of topic %s: %w: %w", t.Name, ErrUnavailable, errors.Join(err, ctx.Err()))
		case <-time.After(leaderPoll):
		}
	}
}

// partitions looks the topic up at the first broker that answers.
func (c *Client) partitions(ctx context.Context, topic string) ([]kafkago.Partition, error) {
	var failures []error
	for _, broker := range c.cfg.Brokers {
		found, err := c.dialer.LookupPartitions(ctx, "tcp", broker, topic)
		if err == nil {
			return found, nil
		}
		failures = append(failures, err)
	}
	return nil, c.failure("look up topic "+topic, errors.Join(failures...))
}

// limit asks for the largest batch that the topic takes, to say so in an error. 0: not known.
func (c *Client) limit(ctx context.Context, topic string) int64 {
	value, err := c.setting(ctx, topic, "max.message.bytes")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(value, 10, 64)
	return n
}

// setting asks for one setting of a topic, as the broker writes it.
func (c *Client) setting(ctx context.Context, topic, name string) (string, error) {
	response, err := c.client.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{
		Resources: []kafkago.DescribeConfigRequestResource{{ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}}},
	})
	what := "ask for the settings of topic " + topic
	if err != nil {
		return "", c.failure(what, err)
	}
	for _, r := range response.Resources {
		if r.Error != nil {
			return "", c.failure(what, r.Error)
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == name {
				return e.ConfigValue, nil
			}
		}
	}
	return "", fmt.Errorf("%s: no %s in the answer", what, name)
}
