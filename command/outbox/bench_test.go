package outbox_test

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/schemas/events"
)

const (
	benchRate    = 500 // events a second
	benchWriters = 4
)

// arrivals notes when each event reached a reader of the topic.
type arrivals struct {
	mu sync.Mutex
	at map[uuid.UUID]time.Time
}

func (a *arrivals) note(r kafka.Record) error {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if id := uuid.UUID(r.Key); a.at[id].IsZero() {
		a.at[id] = now
	}
	return nil
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}

// BenchmarkRelay commits 500 events a second, one to a transaction, and reports how long after its commit an event
// is read from Kafka. Run it with -benchtime 5000x for ten seconds of that.
func BenchmarkRelay(b *testing.B) {
	f := setup(b)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	waker := outbox.NewWaker(f.pool, quiet)
	if err := waker.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	f.start(outbox.Config{Topic: f.topic, Partitions: partitions, Now: time.Now})
	ctx, cancel := context.WithCancel(b.Context())
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	arrived := &arrivals{at: make(map[uuid.UUID]time.Time)}
	for p := range partitions {
		readers.Go(func() { benchRead(ctx, b, f, p, arrived) })
	}
	committed := benchWrite(b, f, waker)
	f.await("the last event", func() bool { return arrived.count() >= len(committed) })
	b.StopTimer()
	var took []time.Duration
	for id, at := range committed {
		took = append(took, arrived.at[id].Sub(at))
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "p50_ms")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99_ms")
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "events/s")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func benchRead(ctx context.Context, b *testing.B, f fixture, partition int, arrived *arrivals) {
	reader, err := f.client.OpenReader(ctx, f.topic, partition, 0)
	if err != nil {
		b.Error(err)
		return
	}
	defer reader.Close()
	for ctx.Err() == nil {
		if _, err := reader.Fetch(ctx, 500*time.Millisecond, arrived.note); err != nil && ctx.Err() == nil {
			b.Error(err)
			return
		}
	}
}

// benchWrite commits b.N events at the rate and gives the time of each commit.
func benchWrite(b *testing.B, f fixture, waker *outbox.Waker) map[uuid.UUID]time.Time {
	committed := make(map[uuid.UUID]time.Time)
	var mu sync.Mutex
	var group sync.WaitGroup
	due := make(chan struct{}, benchRate)
	for range benchWriters {
		group.Go(func() {
			for range due {
				id := uuid.New()
				err := pgx.BeginFunc(context.Background(), f.pool, func(tx pgx.Tx) error {
					return outbox.Append(context.Background(), tx, time.Now(), uuid.New, []events.Event{events.CustomerRegistered{CustomerID: id}})
				})
				if err != nil {
					b.Error(err)
				}
				mu.Lock()
				committed[id] = time.Now()
				mu.Unlock()
				waker.Wake()
			}
		})
	}
	ticker := time.NewTicker(time.Second / benchRate)
	defer ticker.Stop()
	b.ResetTimer()
	for range b.N {
		<-ticker.C
		due <- struct{}{}
	}
	close(due)
	group.Wait()
	return committed
}
