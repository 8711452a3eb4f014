package command_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/postgres/postgrestest"
)

const (
	benchAggregates = 10_000
	benchClients    = 8
	benchSeconds    = "5" // longer than a benchmark's own time, so that it runs once
)

// BenchmarkRun measures commands with an event, an audit row and an idempotency record, one at a time and eight at
// a time, and beside each the same SQL sent by pgbench to the same database, when pgbench is there (Debian:
// postgresql-contrib; for 60 s of it by hand, on a database with the schema and the table tally:
// /usr/lib/postgresql/15/bin/pgbench -n -M prepared -c 8 -j 2 -T 60 -f command/testdata/run.pgbench DSN).
// The figure to hold is commands/s ÷ pgbench's transactions/s ≥ 0.6.
func BenchmarkRun(b *testing.B) {
	b.Run("serial", func(b *testing.B) {
		f := setup(b)
		run := benchCommand(b, f)
		b.ReportAllocs()
		for b.Loop() {
			run()
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	})
	b.Run("pgbench-serial", func(b *testing.B) { benchSQL(b, 1) })
	b.Run("parallel", func(b *testing.B) {
		f := setup(b)
		run := benchCommand(b, f)
		b.ReportAllocs()
		b.SetParallelism(benchClients / 2) // times the two cores
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				run()
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	})
	b.Run("pgbench-parallel", func(b *testing.B) { benchSQL(b, benchClients) })
}

func benchCommand(b *testing.B, f fixture) func() {
	b.Helper()
	var n atomic.Uint64
	return func() {
		i := n.Add(1)
		var id uuid.UUID
		binary.BigEndian.PutUint64(id[8:], i*2654435761%benchAggregates)
		m := meta("bench-" + strconv.FormatUint(i, 10))
		if _, err := command.Run(context.Background(), f.db, m, tally{ID: id, Label: id.String(), Add: 1}); err != nil {
			b.Error(err)
		}
	}
}

func benchSQL(b *testing.B, clients int) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		b.Skip("pgbench is not installed")
	}
	server := postgrestest.New(b)
	_, err = server.Pool(postgres.RoleOwner).Exec(b.Context(), "create table tally (id uuid primary key, name text not null unique, total int not null)")
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	out, err := exec.Command(found[0], "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)),
		"-T", benchSeconds, "-f", filepath.Join("testdata", "run.pgbench"), server.DSN()).CombinedOutput()
	tps := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if err != nil || tps == nil {
		b.Fatalf("pgbench: %v\n%s", err, out)
	}
	rate, err := strconv.ParseFloat(string(tps[1]), 64)
	if err != nil {
		b.Fatal(fmt.Errorf("read pgbench's answer: %w", err))
	}
	b.ReportMetric(rate, "transactions/s")
	b.ReportMetric(0, "ns/op")
}
