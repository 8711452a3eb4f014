package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	embedded "github.com/ezscale/platform/internal/embedded/kafka"
)

// run serves in this process until the test, or the returned function, ends it.
func run(t *testing.T, cfg embedded.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- embedded.Run(ctx, cfg, slog.New(slog.DiscardHandler)) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		probing, done := context.WithTimeout(t.Context(), time.Second)
		err := embedded.Probe(probing, cfg)
		done()
		if err == nil {
			return stop
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestTheBrokerLimitsAndKeepsLikeTheRealOne(t *testing.T) {
	cfg := embedded.Config{Dir: t.TempDir(), Port: freePort(t)}
	stop := run(t, cfg)
	client := newClient(cfg)
	produce := func(topic string, size int) (*kafka.ProduceResponse, error) {
		answer, err := client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(make([]byte, size))}),
		})
		if err == nil {
			err = answer.Error
		}
		return answer, err
	}
	if _, err := produce("unasked", 1); err == nil {
		t.Error("a topic that nobody made takes a message")
	}
	_, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := produce("t", 1_000_000); err != nil {
		t.Errorf("a batch below the limit: %v", err)
	}
	if _, err := produce("t", 1<<20); !errors.Is(err, kafka.MessageSizeTooLarge) {
		t.Errorf("a batch above the limit: %v", err)
	}
	stop()
	run(t, cfg)
	client = newClient(cfg)
	answer, err := produce("t", 1)
	if err != nil || answer.BaseOffset != 1 {
		t.Errorf("after a restart: %+v (%v)", answer, err)
	}
}

func newClient(cfg embedded.Config) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(cfg.Brokers()...), Timeout: 10 * time.Second, Transport: &kafka.Transport{}}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
