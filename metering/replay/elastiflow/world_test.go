package elastiflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/internal/elasticsearch/elasticsearchtest"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/kafka/kafkatest"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/elastiflow"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/metering/replay/sender"
	"github.com/ezscale/platform/schemas/events"
)

const bound = 2 * time.Minute

func start() time.Time { return time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC) }

func leafID() uuid.UUID  { return uuid.MustParse("018f0000-0000-7000-8000-00000000000a") }
func spineID() uuid.UUID { return uuid.MustParse("018f0000-0000-7000-8000-00000000000b") }

// world is one test's surroundings: an Elasticsearch to read, and a platform to bring it to.
type world struct {
	t         testing.TB
	source    *elasticsearchtest.Server
	db        *postgrestest.DB
	owner     *pgxpool.Pool
	kafka     *kafka.Client
	brokers   []string
	topic     string
	exporters []elastiflow.Exporter
	producer  sender.Producer // nil: kafka
	now       atomic.Int64    // Unix nanoseconds; 0: the machine's
}

func newWorld(t testing.TB) *world { return newWorldOn(t, elasticsearchtest.New(t)) }

func newWorldOn(t testing.TB, s *elasticsearchtest.Server) *world {
	cluster := kafkatest.New(t)
	db := postgrestest.New(t)
	return &world{
		t: t, source: s, db: db, owner: db.Pool(postgres.RoleOwner), kafka: cluster.Client(t), brokers: cluster.Brokers,
		topic: cluster.Topic(t, events.FlowPartitions), exporters: exporters(),
	}
}

func exporters() []elastiflow.Exporter {
	return []elastiflow.Exporter{
		{ID: leafID(), Name: "leaf", Source: netip.MustParsePrefix("172.16.0.1/32"), Agent: netip.MustParseAddr("10.0.0.1")},
		{ID: spineID(), Name: "spine", Source: netip.MustParsePrefix("10.9.0.0/16")},
	}
}

func (w *world) clock() time.Time {
	if n := w.now.Load(); n != 0 {
		return time.Unix(0, n).UTC()
	}
	return time.Now()
}

// config reads an hour of the test's own indices.
func (w *world) config() elastiflow.Config {
	return elastiflow.Config{Indices: []string{w.source.Prefix + "-*"}, From: start(), To: start().Add(5 * time.Minute), Topic: w.topic}
}

func (w *world) replay(cfg elastiflow.Config, from elasticsearch.Config) *elastiflow.Replay {
	w.t.Helper()
	if from.URL == "" {
		from.URL = w.source.URL
	}
	client, err := elasticsearch.New(from)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	var producer sender.Producer = w.kafka
	if w.producer != nil {
		producer = w.producer
	}
	r, err := elastiflow.New(cfg, elastiflow.Dependencies{
		Elasticsearch: client, Kafka: producer, Journal: journal.New(w.db.Pool(postgres.RoleMeter), w.clock), Now: w.clock,
		Exporters: func(context.Context) ([]elastiflow.Exporter, error) { return w.exporters, nil },
		Log:       slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// run replays to the end.
func (w *world) run(cfg elastiflow.Config, from elasticsearch.Config) elastiflow.Counts {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), bound)
	defer cancel()
	counts, err := w.replay(cfg, from).Run(ctx)
	if err != nil {
		w.t.Fatalf("%v (%+v)", err, counts)
	}
	return counts
}

// log is what a meter makes of the topic: it drops what a producer has sent twice.
type log struct {
	flows    map[uuid.UUID][]envelope.Flow // by exporter
	messages int
	repeats  int
	reports  []envelope.Report
}

func (l *log) count() (n int) {
	for _, f := range l.flows {
		n += len(f)
	}
	return n
}

func (l *log) bytes() (n uint64) {
	for _, flows := range l.flows {
		for _, f := range flows {
			n += f.BytesL2
		}
	}
	return n
}

// read reads the topic as a meter does, and fails when a producer has left a hole or a document came twice.
func (w *world) read() *log {
	w.t.Helper()
	l := &log{flows: map[uuid.UUID][]envelope.Flow{}}
	documents := map[uint64]bool{}
	for p := range events.FlowPartitions {
		last := map[string]uint64{}
		w.partition(p, func(value []byte) {
			h, body, err := envelope.Parse(value)
			if err != nil {
				w.t.Fatal(err)
			}
			l.messages++
			producer := h.Collector.String() + time.Unix(0, h.Boot).String()
			switch {
			case h.Sequence <= last[producer]:
				l.repeats++
				return
			case h.Sequence != last[producer]+1:
				w.t.Errorf("partition %d: sequence %d after %d", p, h.Sequence, last[producer])
			}
			last[producer] = h.Sequence
			if h.Kind == envelope.KindReport {
				report, err := body.Report()
				if err != nil {
					w.t.Fatal(err)
				}
				l.reports = append(l.reports, report)
			} else if want := events.Partition(events.VirtualShard(h.Exporter), events.FlowPartitions); p != want {
				w.t.Errorf("exporter %s in partition %d, want %d", h.Exporter, p, want)
			}
			for f, ok := body.NextFlow(); ok; f, ok = body.NextFlow() {
				if documents[f.Document] {
					w.t.Errorf("document %x came twice", f.Document)
				}
				documents[f.Document] = true
				l.flows[h.Exporter] = append(l.flows[h.Exporter], f)
			}
		})
	}
	return l
}

func (w *world) partition(p int, each func([]byte)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	reader, err := w.kafka.OpenReader(ctx, w.topic, p, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer reader.Close()
	for reader.Offset() < reader.HighWater() {
		_, err := reader.Fetch(ctx, 100*time.Millisecond, func(r kafka.Record) error { each(r.Value); return nil })
		if err != nil && !errors.Is(err, kafka.ErrUnavailable) {
			w.t.Fatal(err)
		}
	}
}

// expect compares the log with what was indexed.
func (w *world) expect(documents int, bytes uint64) *log {
	w.t.Helper()
	l := w.read()
	if l.count() != documents || l.bytes() != bytes {
		w.t.Errorf("%d documents of %d bytes in the log, want %d of %d", l.count(), l.bytes(), documents, bytes)
	}
	return l
}

// child is how the test binary is told to be a replay, to be killed.
type child struct {
	Config   elastiflow.Config
	URL, DSN string
	Brokers  []string
}

const childVariable = "EZSCALE_TEST_REPLAY_CHILD"

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := runChild(text); err != nil {
		slog.Error("child", "error", err)
		os.Exit(1)
	}
}

func runChild(text string) error {
	var c child
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&c); err != nil {
		return err
	}
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{DSN: c.DSN, Role: postgres.RoleMeter})
	if err != nil {
		return err
	}
	client, err := elasticsearch.New(elasticsearch.Config{URL: c.URL})
	if err != nil {
		return err
	}
	r, err := elastiflow.New(c.Config, elastiflow.Dependencies{
		Elasticsearch: client, Kafka: kafka.New(kafka.Config{Brokers: c.Brokers}), Journal: journal.New(pool, time.Now), Now: time.Now,
		Exporters: func(context.Context) ([]elastiflow.Exporter, error) { return exporters(), nil },
		Log:       slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	_, err = r.Run(ctx)
	return err
}
