package kafka_test

import (
	"testing"
	"time"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
)

// Times of messages need not grow: two producers' clocks differ.
func TestOffsetAt(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	seconds := [][]int{{0, 1, 2}, {10}, {8, 9}, {20, 21}}
	var all []int
	for _, batch := range seconds {
		var messages []kafka.Message
		for _, s := range batch {
			messages = append(messages, kafka.Message{Value: []byte("x"), Time: start.Add(time.Duration(s) * time.Second)})
		}
		if _, err := client.Produce(t.Context(), topic, 0, messages); err != nil {
			t.Fatal(err)
		}
		all = append(all, batch...)
	}
	for s := -5; s < 25; s++ {
		want := len(all)
		for i, at := range all {
			if at >= s {
				want = i
				break
			}
		}
		got, err := client.OffsetAt(t.Context(), topic, 0, start.Add(time.Duration(s)*time.Second))
		if err != nil || got != int64(want) {
			t.Errorf("at %d s: offset %d, want %d (%v)", s, got, want, err)
		}
	}
	if got, err := client.OffsetAt(t.Context(), topic, 0, time.Now().Add(time.Hour)); err != nil || got != int64(len(all)) {
		t.Errorf("in the future: %d, %v", got, err)
	}
}
