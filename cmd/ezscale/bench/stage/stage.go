// Package stage sets up what a benchmark of the metering pipeline runs on: a database of its own with exporters,
// services and cycles, a place in the log where nothing waits, a collector and a meter as the processes that
// production runs, and a sender. Everything stays on the loopback interface, and goes away with Close but for what was
// written to the log.
package stage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/cmd/ezscale/bench/child"
	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/schemas/events"
)

const (
	readyBound = 90 * time.Second
	readyPoll  = 50 * time.Millisecond
	retention  = time.Hour // of the topics, when they are made here
	setupBound = 10 * time.Minute
)

// Servers are what a stage stands on.
type Servers struct {
	Postgres string // owner's URL of a maintenance database
	Kafka    []string
}

// Config of a stage.
type Config struct {
	Servers             Servers
	Program             string // this binary
	Dir                 string // for what the roles keep
	Exporters, Services int
	Log                 *slog.Logger
}

// Stage is a small company under load.
type Stage struct {
	cfg      Config
	database string
	env      []string
	Target   netip.AddrPort // where sFlow goes

	Pool                     *pgxpool.Pool
	Collector, Meter, Sender *child.Process
	answers                  *json.Decoder
}

// Open makes the database and starts the roles. A meter is left out until StartMeter is called.
func Open(ctx context.Context, cfg Config) (*Stage, error) {
	s := &Stage{cfg: cfg, database: "ezscale_bench_" + strings.ToLower(rand.Text()[:10])}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stage) open(ctx context.Context) error {
	dsn, err := s.makeDatabase(ctx)
	if err != nil {
		return err
	}
	if err := s.placeInLog(ctx); err != nil {
		return err
	}
	if err := s.populate(ctx); err != nil {
		return err
	}
	if s.Target, err = freeUDP(); err != nil {
		return err
	}
	s.env = []string{
		"EZSCALE_POSTGRES=" + dsn, "EZSCALE_POSTGRES_QUERY=" + dsn, "EZSCALE_KAFKA=" + strings.Join(s.cfg.Servers.Kafka, ","),
		"EZSCALE_MODE=production", "EZSCALE_LOG_LEVEL=warn", "EZSCALE_LOG_FORMAT=text", "EZSCALE_SFLOW=" + s.Target.String(),
		"EZSCALE_DATA=" + filepath.Join(s.cfg.Dir, s.database),
	}
	if s.Collector, err = s.startRole(ctx, "collector"); err != nil {
		return err
	}
	s.Sender, err = child.Start("sender", nil, s.cfg.Program, "bench", "sender", "--target", s.Target.String(),
		"--exporters", fmt.Sprint(s.cfg.Exporters), "--services", fmt.Sprint(s.cfg.Services))
	if err != nil {
		return err
	}
	s.answers = json.NewDecoder(s.Sender.Out)
	return nil
}

// StartMeter starts the meter and waits until it serves.
func (s *Stage) StartMeter(ctx context.Context) (err error) {
	s.Meter, err = s.startRole(ctx, "meter")
	return err
}

// startRole runs a role of the platform and waits until it says that it is ready.
func (s *Stage) startRole(ctx context.Context, role string) (*child.Process, error) {
	metrics, err := freeTCP()
	if err != nil {
		return nil, err
	}
	p, err := child.Start(role, append(s.env, "EZSCALE_METRICS="+metrics), s.cfg.Program, role)
	if err != nil {
		return nil, err
	}
	if err := awaitReady(ctx, p, "http://"+metrics+"/health/ready"); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func awaitReady(ctx context.Context, p *child.Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	for {
		if err := p.Running(); err != nil {
			return err
		}
		if ready(ctx, url) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.Name(), ctx.Err())
		case <-time.After(readyPoll):
		}
	}
}

func ready(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// Send lets the sender carry out a task and waits for its end.
func (s *Stage) Send(ctx context.Context, t load.Task) (load.Sent, error) {
	type answer struct {
		sent load.Sent
		err  error
	}
	if err := json.NewEncoder(s.Sender.In).Encode(t); err != nil {
		return load.Sent{}, errors.Join(fmt.Errorf("tell the sender: %w", err), s.Sender.Running())
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		a.err = s.answers.Decode(&a.sent)
		done <- a
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return a.sent, errors.Join(fmt.Errorf("hear from the sender: %w", a.err), s.Sender.Running())
		}
		return a.sent, nil
	case <-ctx.Done():
		return load.Sent{}, ctx.Err()
	}
}

// Close stops the processes and drops the database.
func (s *Stage) Close() error {
	var err error
	for _, p := range []*child.Process{s.Sender, s.Collector, s.Meter} {
		if p != nil {
			err = errors.Join(err, p.Stop())
		}
	}
	if s.Pool == nil {
		return err
	}
	s.Pool.Close()
	return errors.Join(err, s.dropDatabase(), os.RemoveAll(filepath.Join(s.cfg.Dir, s.database)))
}

func freeUDP() (netip.AddrPort, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find a free UDP port: %w", err)
	}
	bound, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return bound, errors.Join(err, conn.Close())
}

func freeTCP() (string, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free TCP port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

func (s *Stage) makeDatabase(ctx context.Context) (dsn string, err error) {
	u, err := url.Parse(s.cfg.Servers.Postgres)
	if err != nil {
		return "", errors.New("the address of Postgres is not a URL")
	}
	if err := s.maintain(ctx, "create database "+s.database); err != nil {
		return "", err
	}
	u.Path = "/" + s.database
	dsn = u.String()
	if s.Pool, err = postgres.Open(ctx, postgres.Config{DSN: dsn, MaxConns: 3, ApplicationName: "ezscale bench", StatementTime: setupBound}); err != nil {
		return "", errors.Join(err, s.dropDatabase())
	}
	if err := postgres.Migrate(ctx, dsn, s.cfg.Log); err != nil {
		return "", fmt.Errorf("migrate the benchmark's database: %w", err)
	}
	return dsn, nil
}

func (s *Stage) dropDatabase() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyBound)
	defer cancel()
	return s.maintain(ctx, "drop database if exists "+s.database+" with (force)")
}

func (s *Stage) maintain(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.cfg.Servers.Postgres)
	if err != nil {
		return fmt.Errorf("reach Postgres: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// placeInLog makes the topics and lets the meter begin behind what others have written to them.
func (s *Stage) placeInLog(ctx context.Context) error {
	client := kafka.New(kafka.Config{Brokers: s.cfg.Servers.Kafka})
	defer client.Close()
	topics := []kafka.Topic{
		kafka.NewTopic(events.TopicFlowsRaw, events.FlowPartitions, 1, retention),
		kafka.NewTopic(events.TopicUsage, events.UsagePartitions, 1, retention),
	}
	if err := client.EnsureTopics(ctx, topics); err != nil {
		return fmt.Errorf("make the benchmark's topics: %w", err)
	}
	for p := range events.FlowPartitions {
		_, next, err := client.Offsets(ctx, events.TopicFlowsRaw, p)
		if err != nil {
			return err
		}
		if _, err := s.Pool.Exec(ctx, beginSQL, events.TopicFlowsRaw, p, next); err != nil {
			return fmt.Errorf("place the meter in the log: %w", err)
		}
	}
	return nil
}
