// Package kafkatest gives tests a real broker (an embedded one or Apache Kafka), named by EZSCALE_TEST_KAFKA,
// and topics of their own on it.
package kafkatest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/ezscale/platform/internal/kafka"
)

// Variable names the brokers, comma separated.
const Variable = "EZSCALE_TEST_KAFKA"

const (
	setupBound = 30 * time.Second
	pollEvery  = 20 * time.Millisecond
)

// Cluster is the broker under test.
type Cluster struct{ Brokers []string }

// New finds the cluster. Without one the test is skipped, or fails where CI=true.
func New(t testing.TB) *Cluster {
	t.Helper()
	brokers := os.Getenv(Variable)
	if brokers != "" {
		return &Cluster{Brokers: strings.Split(brokers, ",")}
	}
	const why = `no Kafka: run "make test", or under "ezscale servers -- go test ..."`
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
	return nil
}

// Client is a client of the cluster, closed at the test's end.
func (c *Cluster) Client(t testing.TB) *kafka.Client {
	t.Helper()
	client := kafka.New(kafka.Config{Brokers: c.Brokers, ClientID: "test"})
	t.Cleanup(client.Close)
	return client
}

// Topic makes a topic with a name of its own, deleted at the test's end.
func (c *Cluster) Topic(t testing.TB, partitions int) string {
	t.Helper()
	name := fmt.Sprintf("test-%s", uuid.NewString())
	ctx, cancel := context.WithTimeout(context.Background(), setupBound)
	defer cancel()
	client := c.Client(t)
	if err := client.EnsureTopics(ctx, []kafka.Topic{kafka.NewTopic(name, partitions, 1, kafka.Forever)}); err != nil {
		t.Fatalf("make topic %s: %v", name, err)
	}
	t.Cleanup(func() { c.drop(t, name) })
	for p := range partitions {
		serve(ctx, t, client, name, p)
	}
	return name
}

// serve waits until a partition's leader knows that it leads: metadata says so a little earlier.
func serve(ctx context.Context, t testing.TB, client *kafka.Client, topic string, partition int) {
	t.Helper()
	for {
		_, _, err := client.Offsets(ctx, topic, partition)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("wait for %s/%d: %v", topic, partition, err)
		case <-time.After(pollEvery):
		}
	}
}

func (c *Cluster) drop(t testing.TB, topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), setupBound)
	defer cancel()
	client := &kafkago.Client{Addr: kafkago.TCP(c.Brokers...), Transport: &kafkago.Transport{}}
	if _, err := client.DeleteTopics(ctx, &kafkago.DeleteTopicsRequest{Topics: []string{topic}}); err != nil {
		t.Logf("delete topic %s: %v", topic, err)
	}
}
