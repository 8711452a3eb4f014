package apachekafka

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"github.com/ezscale/platform/internal/embedded/maven"
)

const bound = 5 * time.Minute // the first time, 43 MB are fetched

func TestNoClusterIDLooksLikeAnOption(t *testing.T) {
	t.Parallel()
	for first := range 256 {
		if id := clusterID(uuid.UUID{byte(first)}); len(id) != 22 || id[0] == '-' {
			t.Errorf("an id of the first byte %#x is written %q", first, id)
		}
	}
}

func newServer(t *testing.T) *Server {
	t.Helper()
	if err := maven.Missing("apache kafka"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := New(Config{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestKeepsWhatItTookOverAKill(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	client := &kafka.Client{Addr: kafka.TCP(s.Brokers()...), Transport: &kafka.Transport{MetadataTTL: 100 * time.Millisecond}}
	topics, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "t", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || topics.Errors["t"] != nil {
		t.Fatal(err, topics)
	}
	taken := produce(ctx, t, client)
	if err := syscall.Kill(s.Health().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if again := produce(ctx, t, client); again != taken+1 {
		t.Errorf("offset %d after the kill, %d before", again, taken)
	}
	if s.Health().Restarts != 1 {
		t.Errorf("health %+v", s.Health())
	}
	if other := New(Config{Data: s.cfg.Data, Log: s.cfg.Log}); !errors.Is(other.Start(ctx), ErrInUse) {
		t.Error("two brokers on one directory")
	}
}

// produce appends a message, once the broker is there, and gives its offset.
func produce(ctx context.Context, t *testing.T, client *kafka.Client) int64 {
	t.Helper()
	for {
		answer, err := client.Produce(ctx, &kafka.ProduceRequest{
			Topic: "t", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("v"))}),
		})
		if err == nil && answer.Error == nil {
			return answer.BaseOffset
		}
		if ctx.Err() != nil {
			t.Fatal(err, answer)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
