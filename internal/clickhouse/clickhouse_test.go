package clickhouse_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/clickhouse"
	"github.com/ezscale/platform/internal/clickhouse/clickhousetest"
)

func TestOpenHoldsTheSettings(t *testing.T) {
	t.Parallel()
	db := clickhousetest.New(t)
	var asynchronous, deduplicate string
	err := db.Conn().QueryRow(t.Context(), `select toString(getSetting('async_insert')), toString(getSetting('insert_deduplicate'))`).
		Scan(&asynchronous, &deduplicate)
	if err != nil || asynchronous != "false" || deduplicate != "false" {
		t.Errorf("async_insert %s, insert_deduplicate %s (%v)", asynchronous, deduplicate, err)
	}
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"malformed": "http://%zz", "nobody there": "http://a:b@127.0.0.1:1/default",
		"wrong password": wrongPassword(t, clickhousetest.New(t).DSN()),
	} {
		if conn, err := clickhouse.Open(t.Context(), clickhouse.Config{DSN: dsn}); err == nil {
			_ = conn.Close()
			t.Errorf("%s: opened", name)
		}
	}
}

func TestMigrateTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	db := clickhousetest.New(t)
	if err := clickhouse.Migrate(t.Context(), clickhouse.Config{DSN: db.DSN()}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var files, versions uint64
	err := db.Conn().QueryRow(t.Context(), "select uniqExact(version_id), count() from goose_db_version").Scan(&files, &versions)
	if err != nil || files != versions || files < 2 {
		t.Errorf("%d versions in %d rows (%v)", files, versions, err)
	}
}

// TestBatchesComeBack sends the types of the read models in a Native batch and reads them again.
// TestRestoreBringsADroppedTableBack drops the table and leaves the record that says that it is there.
func TestRestoreBringsADroppedTableBack(t *testing.T) {
	t.Parallel()
	db := clickhousetest.New(t)
	if err := db.Conn().Exec(t.Context(), "drop table usage_minute"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := clickhouse.Restore(t.Context(), clickhouse.Config{DSN: db.DSN()}, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if err := db.Conn().Exec(t.Context(), "select 1 from usage_minute limit 1"); err != nil {
			t.Error(err)
		}
	}
}

func TestBatchesComeBack(t *testing.T) {
	t.Parallel()
	conn := clickhousetest.New(t).Conn()
	ctx := t.Context()
	err := conn.Exec(ctx, `create table t (id UUID, at DateTime('UTC'), exact DateTime64(6, 'UTC'), n Int64, text String,
		list Array(Int64), maybe Nullable(String), address IPv6) engine = ReplacingMergeTree(n) order by id`)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		ID    uuid.UUID
		At    time.Time
		Exact time.Time
		N     int64
		Text  string
		List  []int64
		Maybe *string
	}
	at := time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)
	word := "it's\n\x00 a \\ word"
	want := []row{
		{uuid.New(), at, at.Add(123456 * time.Microsecond), -1 << 62, word, []int64{1, -2, 3}, &word},
		{uuid.New(), at.Add(time.Second), at, 7, "", []int64{}, nil},
	}
	batch, err := conn.PrepareBatch(ctx, "insert into t (id, at, exact, n, text, list, maybe, address)")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		if err := batch.Append(r.ID, r.At, r.Exact, r.N, r.Text, r.List, r.Maybe, "2001:db8::1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, "select id, at, exact, n, text, list, maybe from t final where at >= {from:DateTime('UTC')} and text != {no:String} order by at",
		driver.Named("from", at.Format(time.DateTime)), driver.Named("no", "tab\there's"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.At, &r.Exact, &r.N, &r.Text, &r.List, &r.Maybe); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want, got); diff != "" || rows.Err() != nil {
		t.Errorf("rows (-want +got):\n%s%v", diff, rows.Err())
	}
}

func TestErrorsHaveTheirCode(t *testing.T) {
	t.Parallel()
	conn := clickhousetest.New(t).Conn()
	for statement, want := range map[string]int32{
		"select * from nowhere": 60, "select from where": 62, "drop database nowhere": 81, "select sleep(3) settings max_execution_time = 0.1": 159,
	} {
		err := conn.Exec(t.Context(), statement)
		var exception *driver.Exception
		if !errors.As(err, &exception) || exception.Code != want {
			t.Errorf("%s: want code %d, got %v", statement, want, err)
		}
	}
	batch, err := conn.PrepareBatch(t.Context(), "insert into nowhere (a)")
	if err == nil {
		_ = batch.Abort()
		t.Error("a batch for a table that is not there")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	conn := clickhousetest.New(t).Conn()
	if err := conn.Exec(t.Context(), "create table n (worker UInt64, i UInt64) engine = MergeTree order by (worker, i)"); err != nil {
		t.Fatal(err)
	}
	const workers, each = 12, 5
	var all errgroup.Group
	for worker := range uint64(workers) {
		all.Go(func() error {
			for i := range uint64(each) {
				batch, err := conn.PrepareBatch(t.Context(), "insert into n")
				if err != nil {
					return fmt.Errorf("prepare: %w", err)
				}
				if err := errors.Join(batch.Append(worker, i), batch.Send()); err != nil {
					return fmt.Errorf("send: %w", err)
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	var count uint64
	if err := conn.QueryRow(t.Context(), "select count() from n").Scan(&count); err != nil || count != workers*each {
		t.Errorf("%d rows of %d (%v)", count, workers*each, err)
	}
}

func wrongPassword(t *testing.T, dsn string) string {
	t.Helper()
	options, err := driver.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + options.Auth.Username + ":wrong@" + options.Addr[0] + "/default"
}
