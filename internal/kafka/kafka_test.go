package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	kafkago "github.com/segmentio/kafka-go"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
)

// kept is a record that outlives its fetch.
type kept struct {
	Offset     int64
	Time       time.Time
	Key, Value string
	Headers    []string
}

func keep(r kafka.Record) kept {
	k := kept{Offset: r.Offset, Time: r.Time, Key: string(r.Key), Value: string(r.Value)}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, fmt.Sprintf("%s=%s", h.Key, h.Value))
	}
	return k
}

func readAll(t *testing.T, client *kafka.Client, topic string, partition int, from int64) (all []kept) {
	t.Helper()
	_, next, err := client.Offsets(t.Context(), topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := client.OpenReader(t.Context(), topic, partition, from)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for reader.Offset() < next {
		if _, err := reader.Fetch(t.Context(), time.Second, func(r kafka.Record) error { all = append(all, keep(r)); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestProduceAndFetch(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 3)
	at := time.Date(2026, 3, 1, 12, 0, 0, int(7*time.Millisecond), time.UTC)
	messages := []kafka.Message{
		{Key: []byte("k"), Value: []byte("one"), Time: at, Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte{}}}},
		{Value: []byte("two"), Time: at.Add(-time.Minute)},
		{Key: []byte("k"), Value: bytes.Repeat([]byte("x"), 100_000), Time: at.Add(time.Hour)},
	}
	for i := range int64(2) {
		base, err := client.Produce(t.Context(), topic, 1, messages)
		if err != nil || base != i*3 {
			t.Fatalf("produce: offset %d, %v", base, err)
		}
	}
	got := readAll(t, client, topic, 1, 2)
	want := []kept{
		{Offset: 2, Time: at.Add(time.Hour), Key: "k", Value: string(messages[2].Value)},
		{Offset: 3, Time: at, Key: "k", Value: "one", Headers: []string{"a=1", "b="}},
		{Offset: 4, Time: at.Add(-time.Minute), Value: "two"},
		{Offset: 5, Time: at.Add(time.Hour), Key: "k", Value: string(messages[2].Value)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if first, next, err := client.Offsets(t.Context(), topic, 1); first != 0 || next != 6 || err != nil {
		t.Errorf("offsets %d %d %v", first, next, err)
	}
	if _, next, err := client.Offsets(t.Context(), topic, 0); next != 0 || err != nil {
		t.Errorf("another partition has %d messages, %v", next, err)
	}
}

func TestFetchStopsWhereItsCallerFails(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	if _, err := client.Produce(t.Context(), topic, 0, []kafka.Message{{Value: []byte("0")}, {Value: []byte("1")}, {Value: []byte("2")}}); err != nil {
		t.Fatal(err)
	}
	reader, err := client.OpenReader(t.Context(), topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	full := errors.New("full")
	for want := range int64(3) {
		n, err := reader.Fetch(t.Context(), time.Second, func(r kafka.Record) error {
			if r.Offset > want {
				return full
			}
			return nil
		})
		if n != 1 || want < 2 && !errors.Is(err, full) || reader.Offset() != want+1 {
			t.Fatalf("fetch %d gave %d records, offset %d, %v", want, n, reader.Offset(), err)
		}
	}
	if n, err := reader.Fetch(t.Context(), 10*time.Millisecond, func(kafka.Record) error { return nil }); n != 0 || err != nil {
		t.Errorf("at the end: %d records, %v", n, err)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	reader, err := client.OpenReader(t.Context(), topic, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := reader.Fetch(ctx, time.Hour, func(kafka.Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if _, err := reader.Fetch(t.Context(), 10*time.Millisecond, func(kafka.Record) error { return nil }); err != nil {
		t.Errorf("the next fetch: %v", err)
	}
}

func TestCompressedBatchesAreRead(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	plain := &kafkago.Client{Addr: kafkago.TCP(cluster.Brokers...), Transport: &kafkago.Transport{}}
	codecs := []kafkago.Compression{kafkago.Gzip, kafkago.Snappy, kafkago.Lz4, kafkago.Zstd}
	for _, codec := range codecs {
		response, err := plain.Produce(t.Context(), &kafkago.ProduceRequest{
			Topic: topic, RequiredAcks: kafkago.RequireAll, Compression: codec,
			Records: kafkago.NewRecordReader(kafkago.Record{Value: kafkago.NewBytes([]byte(codec.String()))}, kafkago.Record{Value: kafkago.NewBytes([]byte("x"))}),
		})
		if err != nil || response.Error != nil {
			t.Fatalf("%s: %v %v", codec, err, response)
		}
	}
	got := readAll(t, client, topic, 0, 1)
	if len(got) != 2*len(codecs)-1 || got[1].Value != kafkago.Snappy.String() || got[0].Value != "x" {
		t.Errorf("got %+v", got)
	}
}

func TestErrorsHaveTheirKind(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, topic := cluster.Client(t), cluster.Topic(t, 1)
	if _, err := client.OpenReader(t.Context(), topic, 0, 5); !errors.Is(err, kafka.ErrOffsetOutOfRange) {
		t.Errorf("an offset past the end: %v", err)
	}
	large := []kafka.Message{{Value: bytes.Repeat([]byte("x"), 2<<20)}}
	if _, err := client.Produce(t.Context(), topic, 0, large); !errors.Is(err, kafka.ErrTooLarge) {
		t.Errorf("a large message: %v", err)
	} else {
		t.Log(err)
	}
	away := kafka.New(kafka.Config{Brokers: []string{"127.0.0.1:1"}, RequestTimeout: 2 * time.Second})
	defer away.Close()
	if _, err := away.Produce(t.Context(), topic, 0, []kafka.Message{{Value: []byte("x")}}); !errors.Is(err, kafka.ErrUnavailable) {
		t.Errorf("no broker: %v", err)
	}
	if err := away.Ping(t.Context()); !errors.Is(err, kafka.ErrUnavailable) {
		t.Errorf("ping without a broker: %v", err)
	}
	if err := client.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if _, err := client.Produce(t.Context(), "no-such-topic", 0, []kafka.Message{{Value: []byte("x")}}); !errors.Is(err, kafka.ErrUnavailable) {
		t.Errorf("no topic: %v", err)
	}
	if _, err := client.Produce(t.Context(), topic, 0, nil); err == nil {
		t.Error("an empty batch went through")
	}
}

func TestEnsureTopicsAgain(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.New(t)
	client, name := cluster.Client(t), "test-"+uuid.NewString()
	for _, retention := range []time.Duration{7 * 24 * time.Hour, 90 * 24 * time.Hour, kafka.Forever} {
		if err := client.EnsureTopics(t.Context(), []kafka.Topic{kafka.NewTopic(name, 4, 1, retention)}); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Retention(t.Context(), name); err != nil || got != retention {
			t.Errorf("retention %s, want %s: %v", got, retention, err)
		}
	}
	if err := client.SetRetention(t.Context(), name, time.Hour); err != nil {
		t.Error(err)
	}
	if got, err := client.Retention(t.Context(), name); err != nil || got != time.Hour {
		t.Errorf("retention %s, want an hour: %v", got, err)
	}
	err := client.EnsureTopics(t.Context(), []kafka.Topic{kafka.NewTopic(name, 5, 1, kafka.Forever)})
	if !errors.Is(err, kafka.ErrPartitionCount) {
		t.Errorf("another partition count: %v", err)
	}
}
