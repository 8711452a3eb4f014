package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/embedded/apachekafka"
	"github.com/ezscale/platform/internal/embedded/elasticsearch"
)

// Extras are real servers beside the embedded ones, for tests; they need a JDK 17 and Maven.
type Extras struct {
	Data          string // directory, for their own
	ApacheKafka   bool   // instead of the embedded broker
	Elasticsearch bool
}

// Tested is a stack that tests use, and the extras.
type Tested struct {
	kafkaKind, elasticsearch string
	brokers                  []string
	servers                  *embedded.Stack
	stops                    []func(context.Context) error
}

// ForTests starts the extras beside a stack that runs. On an error none of them is left running.
func ForTests(ctx context.Context, servers *embedded.Stack, extras Extras, log *slog.Logger) (*Tested, error) {
	t := &Tested{kafkaKind: "embedded", brokers: servers.KafkaBrokers(), servers: servers}
	if extras.ApacheKafka {
		apache := apachekafka.New(apachekafka.Config{Data: filepath.Join(extras.Data, "apache-kafka"), Log: log})
		if err := apache.Start(ctx); err != nil {
			return nil, fmt.Errorf("start Apache Kafka: %w", err)
		}
		t.stops = append(t.stops, apache.Stop)
		t.kafkaKind, t.brokers = "apache", apache.Brokers()
	}
	if extras.Elasticsearch {
		elastic := elasticsearch.New(elasticsearch.Config{Data: filepath.Join(extras.Data, "elasticsearch"), Log: log})
		if err := elastic.Start(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("start Elasticsearch: %w", err), t.Stop(context.WithoutCancel(ctx)))
		}
		t.stops = append(t.stops, elastic.Stop)
		t.elasticsearch = elastic.URL()
	}
	return t, nil
}

// Stop ends the extras.
func (t *Tested) Stop(ctx context.Context) (err error) {
	for _, stop := range t.stops {
		err = errors.Join(err, stop(ctx))
	}
	return err
}

// Environment tells tests where the servers are.
func (t *Tested) Environment() []string {
	env := []string{
		"EZSCALE_TEST_POSTGRES=" + t.servers.PostgresDSN(),
		"EZSCALE_TEST_KAFKA=" + strings.Join(t.brokers, ","),
		"EZSCALE_TEST_KAFKA_KIND=" + t.kafkaKind,
		"EZSCALE_TEST_CLICKHOUSE=" + t.servers.ClickHouseDSN(),
	}
	if t.elasticsearch != "" {
		env = append(env, "EZSCALE_TEST_ELASTICSEARCH="+t.elasticsearch)
	}
	return env
}
