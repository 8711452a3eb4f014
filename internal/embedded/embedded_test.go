package embedded_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/embedded/parts"
	"github.com/ezscale/platform/internal/embedded/supervise"
)

// The test binary is also its stack's children, and a parent to be killed: "parent - DATA".
func TestMain(m *testing.M) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	switch {
	case len(os.Args) == 3 && os.Args[1] == "embedded":
		if err := embedded.RunChild(context.Background(), os.Args[2], os.Stdin, log); err != nil {
			log.Error("child", "error", err)
			os.Exit(1)
		}
	case len(os.Args) == 3 && os.Args[1] == "parent":
		if err := parent(os.Args[2], log); err != nil {
			log.Error("parent", "error", err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// told is what a parent prints about its stack.
type told struct {
	Postgres, ClickHouse string
	Kafka                []string
	PIDs                 []int
}

func parent(data string, log *slog.Logger) error {
	s, err := newStack(data, log)
	if err != nil {
		return err
	}
	if err := s.Start(context.Background()); err != nil {
		return err
	}
	out := told{Postgres: s.PostgresDSN(), ClickHouse: s.ClickHouseDSN(), Kafka: s.KafkaBrokers()}
	for _, h := range s.Health() {
		out.PIDs = append(out.PIDs, h.PID)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

func newStack(data string, log *slog.Logger) (*embedded.Stack, error) {
	cache, err := parts.DefaultDir()
	if err != nil {
		return nil, err
	}
	return embedded.New(embedded.Config{Data: data, Parts: cache, Log: log}), nil
}

// needParts skips where the parts have not been fetched: these tests load nothing from the network.
func needParts(t *testing.T) {
	t.Helper()
	cache, err := parts.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres-*", "clickhouse-*"} {
		if found, _ := filepath.Glob(filepath.Join(cache, name)); len(found) > 0 {
			continue
		}
		const message = `the embedded servers' parts are not there: run "make test", or "ezscale servers" once`
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
}

func started(t *testing.T) *embedded.Stack {
	t.Helper()
	needParts(t)
	s, err := newStack(filepath.Join(t.TempDir(), "data"), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestKilledChildrenComeBackWithTheirData(t *testing.T) {
	t.Parallel()
	s := started(t)
	servers := told{Postgres: s.PostgresDSN(), ClickHouse: s.ClickHouseDSN(), Kafka: s.KafkaBrokers()}
	for round := 1; round <= 3; round++ {
		if err := servers.write(t.Context(), round); err != nil {
			t.Fatal(err)
		}
		before := pids(s)
		for name, pid := range before {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatalf("kill %s: %v", name, err)
			}
		}
		eventually(t, func() error {
			for _, h := range s.Health() {
				if h.State != supervise.Serving || h.PID == before[h.Name] {
					return fmt.Errorf("%+v", h)
				}
			}
			return servers.holds(t.Context(), round)
		})
	}
}

func TestAStackIsAloneOnItsData(t *testing.T) {
	t.Parallel()
	needParts(t)
	data := t.TempDir()
	first := startParent(t, data)
	s, err := newStack(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); !errors.Is(err, embedded.ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(first.cmd.Process.Pid)) {
		t.Errorf("a second stack: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("stop of what did not start: %v", err)
	}
	first.kill(t)
}

// TestAKilledParentLeavesNothingBehind kills the parent without warning, ten times over on the same data,
// and starts the next at once.
func TestAKilledParentLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	needParts(t)
	data := t.TempDir()
	for round := 1; round <= 10; round++ {
		p := startParent(t, data)
		if err := p.holds(t.Context(), round-1); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := p.write(t.Context(), round); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		p.kill(t)
		if round == 10 {
			eventually(t, func() error { return noneOf(p.PIDs) })
			eventually(t, func() error { return nobodyIn(data) })
		}
	}
}

// TestAcknowledgedIsKept kills the broker and the engine while they are written to, and counts.
func TestAcknowledgedIsKept(t *testing.T) {
	t.Parallel()
	s := started(t)
	servers := told{Postgres: s.PostgresDSN(), ClickHouse: s.ClickHouseDSN(), Kafka: s.KafkaBrokers()}
	if err := servers.write(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	const kills, each = 4, 15
	var acknowledged [2]atomic.Int64
	var writers errgroup.Group
	ctx, end := context.WithCancel(t.Context())
	for i, write := range []func(context.Context, int) error{servers.produce, servers.insert} {
		writers.Go(func() error {
			for n := 1; ctx.Err() == nil; n++ {
				if write(ctx, n) == nil {
					acknowledged[i].Add(1)
				} else {
					time.Sleep(5 * time.Millisecond) // it is away
				}
			}
			return nil
		})
	}
	for k := int64(1); k <= kills; k++ {
		eventually(t, func() error {
			if acknowledged[0].Load() < k*each || acknowledged[1].Load() < k*each {
				return fmt.Errorf("the writers do not come on: %d, %d", acknowledged[0].Load(), acknowledged[1].Load())
			}
			return nil
		})
		for name, pid := range pids(s) {
			if name != "postgres" {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	end()
	_ = writers.Wait()
	eventually(t, func() error {
		messages, rows, err := servers.counts(t.Context())
		if err == nil && (int64(messages) <= acknowledged[0].Load() || int64(rows) <= acknowledged[1].Load()) { // and one of before
			err = fmt.Errorf("kept %d messages and %d rows of %d and %d", messages, rows, acknowledged[0].Load(), acknowledged[1].Load())
		}
		return err
	})
}

type runningParent struct {
	told
	cmd *exec.Cmd
	out io.Reader
}

func startParent(t *testing.T, data string) *runningParent {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "parent", data)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p := &runningParent{cmd: cmd, out: out}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the parent does not start: %v", err)
	}
	if err := json.Unmarshal(line, &p.told); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *runningParent) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
}

const topic = "kept"

// write leaves one acknowledged row, message and row more in each server.
func (s told) write(ctx context.Context, n int) error {
	return errors.Join(s.commit(ctx, n), s.produce(ctx, n), s.insert(ctx, n))
}

// holds checks that everything up to n is there.
func (s told) holds(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	rows, err := s.committed(ctx)
	if err != nil {
		return err
	}
	messages, parts, err := s.counts(ctx)
	if err != nil {
		return err
	}
	if rows < n || messages < n || parts < n {
		return fmt.Errorf("after %d rounds: %d, %d, %d", n, rows, messages, parts)
	}
	return nil
}

func (s told) commit(ctx context.Context, n int) error {
	conn, err := pgx.Connect(ctx, s.Postgres)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table if not exists kept (n int)"); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "insert into kept values ($1)", n)
	return err
}

func (s told) committed(ctx context.Context) (n int, err error) {
	conn, err := pgx.Connect(ctx, s.Postgres)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "select count(*) from kept").Scan(&n)
	return n, err
}

func (s told) produce(ctx context.Context, n int) error {
	client := &kafka.Client{Addr: kafka.TCP(s.Kafka...), Timeout: 2 * time.Second, Transport: &kafka.Transport{}}
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil {
		return err
	}
	if err := made.Errors[topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return err
	}
	answer, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte(strconv.Itoa(n)))}),
	})
	if err != nil {
		return err
	}
	return answer.Error
}

func (s told) insert(ctx context.Context, n int) error {
	conn, err := s.open()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "create table if not exists kept (n Int64) engine = MergeTree order by n"); err != nil {
		return err
	}
	batch, err := conn.PrepareBatch(ctx, "insert into kept")
	if err != nil {
		return err
	}
	return errors.Join(batch.Append(int64(n)), batch.Send())
}

func (s told) open() (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(s.ClickHouse)
	if err != nil {
		return nil, err
	}
	return clickhouse.Open(options)
}

// counts returns how much is in Kafka and in ClickHouse.
func (s told) counts(ctx context.Context) (messages, rows int, err error) {
	leader, err := kafka.DialLeader(ctx, "tcp", s.Kafka[0], topic, 0)
	if err != nil {
		return 0, 0, err
	}
	defer leader.Close()
	first, last, err := leader.ReadOffsets()
	if err != nil {
		return 0, 0, err
	}
	conn, err := s.open()
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	var count uint64
	err = conn.QueryRow(ctx, "select count() from kept").Scan(&count)
	return int(last - first), int(count), err
}

func pids(s *embedded.Stack) map[string]int {
	all := map[string]int{}
	for _, h := range s.Health() {
		if h.PID != 0 {
			all[h.Name] = h.PID
		}
	}
	return all
}

func noneOf(pids []int) error {
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, state, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(state, "Z") {
			return fmt.Errorf("process %d lives: %s", pid, stat)
		}
	}
	return nil
}

// nobodyIn looks for any process with a working directory or an argument below data.
func nobodyIn(data string) error {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, p := range processes {
		at, _ := os.Readlink(p + "/cwd")
		line, _ := os.ReadFile(p + "/cmdline")
		if strings.HasPrefix(at, data) || strings.Contains(string(line), data) {
			return fmt.Errorf("%s works in %s: %q", p, at, line)
		}
	}
	return nil
}

func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
