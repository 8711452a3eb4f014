package elastiflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/internal/elasticsearch/elasticsearchtest"
	embedded "github.com/ezscale/platform/internal/embedded/elasticsearch"
	"github.com/ezscale/platform/internal/embedded/maven"
	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/replay/document"
	"github.com/ezscale/platform/metering/replay/elastiflow"
	"github.com/ezscale/platform/metering/replay/sender"
)

const (
	proxyUser     = "reader"
	proxyPassword = "not-to-be-seen"
)

// proxy stands in front of an Elasticsearch with TLS and a password, as installations do. before may answer a search itself.
func proxy(t *testing.T, s *elasticsearchtest.Server, before func(w http.ResponseWriter, body []byte) bool) elasticsearch.Config {
	t.Helper()
	target, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != proxyUser || password != proxyPassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasSuffix(r.URL.Path, "/_search") && before != nil && before(w, body) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return elasticsearch.Config{URL: server.URL, User: proxyUser, Password: proxyPassword, CA: ca}
}

// indexed writes documents of one schema over the five minutes that tests read.
func (w *world) indexed(t *testing.T, n int) uint64 {
	t.Helper()
	template(t, w.source, document.Codex, w.source.Index("flow")+"*")
	documents, bytes := many(document.Codex, w.source.Index("flow"), n, start(), start().Add(5*time.Minute), nil)
	w.source.Write(t, documents...)
	return bytes
}

// Busy, broken and slow answers, and points in time that are gone: all of it delays, none of it changes the count.
func TestAnswersThatFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 600)
	var asked atomic.Int64
	from := proxy(t, w.source, func(rw http.ResponseWriter, body []byte) bool {
		n := asked.Add(1)
		if n > 40 {
			return false
		}
		switch n % 10 {
		case 2:
			rw.WriteHeader(http.StatusTooManyRequests)
			return true
		case 4:
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		case 5:
			panic(http.ErrAbortHandler) // the connection is reset
		case 6:
			time.Sleep(1500 * time.Millisecond) // longer than the client waits
		case 8:
			var q struct{ PIT struct{ ID string } }
			if err := json.Unmarshal(body, &q); err != nil {
				t.Error(err)
			}
			w.source.Must(t, "DELETE", "/_pit", m{"id": q.PIT.ID}) // behind the reader's back
		}
		return false
	})
	from.RequestTime = time.Second
	cfg := w.config()
	cfg.Page, cfg.Batch, cfg.Slice = 50, 120, 2*time.Minute
	c := w.run(cfg, from)
	if c.Counted != 600 || c.Found != 600 || c.Duplicates != 0 {
		t.Errorf("%+v", c)
	}
	w.expect(600, bytes)
	if asked.Load() < 20 {
		t.Errorf("only %d questions: nothing failed twice", asked.Load())
	}
}

func TestCredentialsAreNeverSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.indexed(t, 7)
	from := proxy(t, w.source, nil)
	var said bytes.Buffer
	for name, c := range map[string]struct {
		change func(*elasticsearch.Config)
		want   error
	}{
		"right":                  {func(*elasticsearch.Config) {}, nil},
		"in the URL":             {inURL, nil},
		"wrong":                  {func(c *elasticsearch.Config) { c.Password += "-at-all" }, elasticsearch.ErrDenied},
		"unknown authority":      {func(c *elasticsearch.Config) { c.CA = nil }, elasticsearch.ErrUnavailable},
		"any authority":          {func(c *elasticsearch.Config) { c.CA, c.Insecure = nil, true }, nil},
		"nobody there":           {func(c *elasticsearch.Config) { c.URL = "https://127.0.0.1:1" }, elasticsearch.ErrUnavailable},
		"nobody there, in a URL": {func(c *elasticsearch.Config) { c.URL = "https://127.0.0.1:1"; inURL(c) }, elasticsearch.ErrUnavailable},
	} {
		cfg, config := from, w.config()
		c.change(&cfg)
		config.Name = name
		_, err := w.replay(config, cfg).Run(t.Context())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		slog.New(slog.NewTextHandler(&said, nil)).Info(name, "error", err)
	}
	var stored string
	if err := w.owner.QueryRow(t.Context(), "select coalesce(string_agg(j::text, ' '), '') from replay_job j").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said.String()+stored, proxyPassword) || stored == "" {
		t.Errorf("the password was said: %s %s", &said, stored)
	}
	if _, err := elasticsearch.New(elasticsearch.Config{URL: "://u:" + proxyPassword + "@x"}); err == nil || strings.Contains(err.Error(), proxyPassword) {
		t.Errorf("a bad URL: %v", err)
	}
}

func inURL(c *elasticsearch.Config) {
	c.URL = strings.Replace(c.URL, "https://", "https://"+c.User+":"+c.Password+"@", 1)
	c.User, c.Password = "", ""
}

func TestIndexDeletedWhileReading(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 300)
	gone, _ := many(document.Codex, w.source.Index("flow-gone"), 50, start().Add(4*time.Minute), start().Add(5*time.Minute), nil)
	w.source.Write(t, gone...)
	var asked atomic.Int64
	from := proxy(t, w.source, func(http.ResponseWriter, []byte) bool {
		if asked.Add(1) == 3 {
			w.source.Must(t, "DELETE", "/"+w.source.Index("flow-gone"), nil)
		}
		return false
	})
	cfg := w.config()
	cfg.Page = 20
	if c := w.run(cfg, from); c.Counted != 300 {
		t.Errorf("%+v", c)
	}
	w.expect(300, bytes)
}

// kill -9 of the replay, again and again, at any moment; then one that may end.
func TestKilledAndResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const documents = 3000
	bytes := w.indexed(t, documents)
	cfg := w.config()
	cfg.Page, cfg.Batch, cfg.Slice = 40, 40, time.Minute
	text, err := json.Marshal(child{Config: cfg, URL: w.source.URL, DSN: w.db.DSN(), Brokers: w.brokers})
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for range 8 {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), childVariable+"="+string(text))
		command.Stderr = t.Output()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		before := w.progress(t)
		for deadline := time.Now().Add(20 * time.Second); w.progress(t) == before && time.Now().Before(deadline); {
			time.Sleep(2 * time.Millisecond)
		}
		time.Sleep(rand.N(60 * time.Millisecond))
		if err := command.Process.Signal(syscall.SIGKILL); err == nil {
			killed++
		}
		_ = command.Wait()
	}
	l := w.read()
	t.Logf("killed %d times: %d documents in %d messages, %d of them repeats", killed, l.count(), l.messages, l.repeats)
	if l.count() == documents {
		t.Log("it was done before it was killed for the last time")
	}
	w.run(cfg, elasticsearch.Config{})
	w.expect(documents, bytes)
}

// progress is a number that changes whenever the job writes.
func (w *world) progress(t *testing.T) (n int64) {
	t.Helper()
	const sql = `select coalesce((select sum(last) from replay_sequence), 0)`
	if err := w.owner.QueryRow(context.Background(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// forgetful is a broker whose answers get lost after it has taken the request.
type forgetful struct {
	inner sender.Producer
	calls atomic.Int64
}

func (f *forgetful) Produce(ctx context.Context, topic string, partition int, msgs []kafka.Message) (int64, error) {
	n := f.calls.Add(1)
	if n%5 == 1 {
		return 0, kafka.ErrUnavailable
	}
	offset, err := f.inner.Produce(ctx, topic, partition, msgs)
	if err == nil && n%3 == 0 {
		return 0, kafka.ErrUnavailable
	}
	return offset, err
}

func TestLostAnswersOfTheBrokerAndABoundedOutbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 400)
	w.producer = &forgetful{inner: w.kafka}
	cfg := w.config()
	cfg.Page, cfg.Batch, cfg.OutboxBytes = 20, 20, 1
	w.run(cfg, elasticsearch.Config{})
	if l := w.expect(400, bytes); l.repeats == 0 {
		t.Error("nothing was sent twice: the test tested nothing")
	}
	var left int
	if err := w.owner.QueryRow(t.Context(), "select count(*) from replay_outbox").Scan(&left); err != nil || left > 0 {
		t.Errorf("%d envelopes left, %v", left, err)
	}
}

// Two jobs over one time, at once: whichever is faster, each document is counted once.
func TestTwoJobsOverOneTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 700)
	done := make(chan elastiflow.Counts, 2)
	for _, name := range []string{"one", "other"} {
		cfg := w.config()
		cfg.Name, cfg.Page, cfg.Batch = name, 35, 35
		r := w.replay(cfg, elasticsearch.Config{})
		go func() {
			c, err := r.Run(t.Context())
			if err != nil {
				t.Error(err)
			}
			done <- c
		}()
	}
	a, b := <-done, <-done
	if a.Counted+b.Counted != 700 {
		t.Errorf("%d and %d", a.Counted, b.Counted)
	}
	w.expect(700, bytes)
}

// What a job has left in its outbox is sent by another one over the same source, under its first name.
func TestAnAbandonedOutboxIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 100)
	w.producer = away{}
	cfg := w.config()
	cfg.Name = "abandoned"
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if c, err := w.replay(cfg, elasticsearch.Config{}).Run(ctx); err == nil || c.Counted != 100 {
		t.Fatalf("%v, %+v", err, c)
	}
	w.expect(0, 0)
	w.producer, cfg.Name = nil, "next"
	if c := w.run(cfg, elasticsearch.Config{}); c.Counted != 0 || c.Duplicates != 100 {
		t.Errorf("%+v", c)
	}
	w.expect(100, bytes)
}

type away struct{}

func (away) Produce(context.Context, string, int, []kafka.Message) (int64, error) {
	return 0, kafka.ErrUnavailable
}

// A real server that is killed in the middle and comes back.
func TestElasticsearchRestarted(t *testing.T) {
	t.Parallel()
	if os.Getenv(elasticsearchtest.Variable) == "" {
		elasticsearchtest.New(t) // skips
	}
	if err := maven.Missing("elasticsearch"); err != nil {
		t.Skip(err)
	}
	server := embedded.New(embedded.Config{Data: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	w := newWorldOn(t, elasticsearchtest.At(t, server.URL()))
	bytes := w.indexed(t, 500)
	var asked atomic.Int64
	from := proxy(t, w.source, func(http.ResponseWriter, []byte) bool {
		if asked.Add(1) == 7 {
			if err := syscall.Kill(server.Health().PID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	cfg := w.config()
	cfg.Page, cfg.Batch = 25, 25
	if c := w.run(cfg, from); c.Counted != 500 || c.Duplicates != 0 {
		t.Errorf("%+v", c)
	}
	w.expect(500, bytes)
	if server.Health().Restarts != 1 {
		t.Errorf("health %+v", server.Health())
	}
}

// A process that another one has taken over from no longer writes.
func TestFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 100)
	cfg := w.config()
	cfg.Page, cfg.Batch = 10, 10
	var asked atomic.Int64
	from := proxy(t, w.source, func(http.ResponseWriter, []byte) bool {
		if asked.Add(1) == 4 {
			if _, err := w.owner.Exec(context.Background(), "update replay_job set epoch = epoch + 1"); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	if _, err := w.replay(cfg, from).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("%v", err)
	}
	w.run(cfg, elasticsearch.Config{})
	w.expect(100, bytes)
}
