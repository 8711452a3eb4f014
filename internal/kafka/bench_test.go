package kafka_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
)

const (
	benchValue    = 64 << 10
	benchMessages = 12 // of one request: ~786 KB, as the collector sends
)

func envelopes() []kafka.Message {
	messages := make([]kafka.Message, benchMessages)
	value := make([]byte, benchValue)
	for i := range value {
		value[i] = byte(i * 7)
	}
	for i := range messages {
		messages[i] = kafka.Message{Value: value}
	}
	return messages
}

func BenchmarkProduce(b *testing.B) {
	cluster := kafkatest.New(b)
	client, topic := cluster.Client(b), cluster.Topic(b, 1)
	messages := envelopes()
	b.SetBytes(benchValue * benchMessages)
	b.ReportAllocs()
	before := cpuSeconds(b)
	for b.Loop() {
		if _, err := client.Produce(context.Background(), topic, 0, messages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((cpuSeconds(b)-before)/(float64(b.N)*benchValue*benchMessages/1e9), "cpu_s/GB")
}

// cpuSeconds is what this process has used; the broker's share is not in it.
func cpuSeconds(b *testing.B) float64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// BenchmarkFetch reads the same 100 MB again and again.
func BenchmarkFetch(b *testing.B) {
	cluster := kafkatest.New(b)
	client, topic := cluster.Client(b), cluster.Topic(b, 1)
	messages := envelopes()
	const requests = 128
	for range requests {
		if _, err := client.Produce(context.Background(), topic, 0, messages); err != nil {
			b.Fatal(err)
		}
	}
	open := func() *kafka.Reader {
		reader, err := client.OpenReader(context.Background(), topic, 0, 0)
		if err != nil {
			b.Fatal(err)
		}
		return reader
	}
	reader := open()
	defer func() { reader.Close() }()
	var bytes, fetches int64
	b.ReportAllocs()
	before := cpuSeconds(b)
	for b.Loop() {
		if reader.Offset() == reader.HighWater() {
			reader.Close()
			reader = open()
		}
		if _, err := reader.Fetch(context.Background(), time.Second, func(r kafka.Record) error { bytes += int64(len(r.Value)); return nil }); err != nil {
			b.Fatal(err)
		}
		fetches++
	}
	b.ReportMetric((cpuSeconds(b)-before)/(float64(bytes)/1e9), "cpu_s/GB")
	b.SetBytes(bytes / max(fetches, 1))
}
