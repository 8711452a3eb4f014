package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
)

const (
	unlockBound = 5 * time.Second

	// ClickHouse's codes for what an engine cannot do, and for a table that is not there.
	notImplemented = 48
	unknownTable   = 60
)

// lock keeps two rebuilds of one model apart, for as long as the process lives.
func (r *Rebuilder) lock(ctx context.Context, model string) (unlock func(), err error) {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock the rebuild of %s: %w", model, err)
	}
	h := fnv.New64a()
	h.Write([]byte("rebuild/" + model))
	key, free := int64(h.Sum64()), false
	err = conn.QueryRow(ctx, `select pg_try_advisory_lock($1)`, key).Scan(&free)
	if err != nil || !free {
		conn.Release()
	}
	if err != nil {
		return nil, fmt.Errorf("lock the rebuild of %s: %w", model, err)
	}
	if !free {
		return nil, fault.New(fault.Conflict, "rebuild_running", "%s is being rebuilt already", model)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), unlockBound)
		defer cancel()
		if _, err := conn.Exec(ctx, `select pg_advisory_unlock($1)`, key); err != nil {
			_ = conn.Conn().Close(ctx) // the lock ends with the connection
		}
		conn.Release()
	}, nil
}

// open reads the book of an interrupted rebuild, or begins a new one.
func (r *rebuild) open(ctx context.Context) error {
	var book []byte
	err := r.pool.QueryRow(ctx, `select progress from rebuild where read_model = $1 and finished_at is null`, r.model.Name()).Scan(&book)
	if err == nil {
		return r.resume(book)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the book of the rebuild of %s: %w", r.model.Name(), err)
	}
	if err := r.drop(ctx, r.table); err != nil {
		return err
	}
	var started time.Time
	if err := r.pool.QueryRow(ctx, `select clock_timestamp()`).Scan(&started); err != nil {
		return fmt.Errorf("begin the rebuild of %s: %w", r.model.Name(), err)
	}
	r.book = progressBook{Offsets: map[int]int64{}, Mark: "rebuilt " + started.UTC().Format(time.RFC3339Nano)}
	fresh, err := json.Marshal(r.book)
	if err != nil {
		return fmt.Errorf("write the book of the rebuild: %w", err)
	}
	_, err = r.pool.Exec(ctx, `insert into rebuild (read_model, table_name, progress, started_at) values ($1, $2, $3, $4)
		on conflict (read_model) do update set table_name = excluded.table_name, progress = excluded.progress,
			started_at = excluded.started_at, finished_at = null`,
		r.model.Name(), r.table, json.RawMessage(fresh), started)
	if err != nil {
		return fmt.Errorf("begin the rebuild of %s: %w", r.model.Name(), err)
	}
	return nil
}

func (r *rebuild) resume(book []byte) error {
	if err := json.Unmarshal(book, &r.book); err != nil {
		return fmt.Errorf("read the book of the rebuild of %s: %w", r.model.Name(), err)
	}
	if r.book.Offsets == nil {
		r.book.Offsets = map[int]int64{}
	}
	r.log.Info("rebuild goes on", "model", r.model.Name(), "rows", r.book.Rows, "messages", r.book.Messages)
	return nil
}

func (r *rebuild) note(ctx context.Context) error {
	r.tell()
	book, err := json.Marshal(r.book)
	if err != nil {
		return fmt.Errorf("write the book of the rebuild: %w", err)
	}
	if _, err := r.pool.Exec(ctx, `update rebuild set progress = $2 where read_model = $1`, r.model.Name(), json.RawMessage(book)); err != nil {
		return fmt.Errorf("note the progress of the rebuild: %w", err)
	}
	return nil
}

func (r *rebuild) close(ctx context.Context) error {
	r.tell()
	if _, err := r.pool.Exec(ctx, `update rebuild set finished_at = clock_timestamp() where read_model = $1`, r.model.Name()); err != nil {
		return fmt.Errorf("end the rebuild: %w", err)
	}
	return nil
}

func (r *rebuild) isParked(ctx context.Context, partition int, offset int64) (parked bool, err error) {
	topic, _ := r.model.Topic()
	err = r.pool.QueryRow(ctx, `select exists (select from parked_message
		where consumer = $1 and topic = $2 and partition = $3 and kafka_offset = $4 and resolved_at is null)`,
		r.model.Name(), topic, partition, offset).Scan(&parked)
	if err != nil {
		return false, fmt.Errorf("look for a parked message: %w", err)
	}
	return parked, nil
}

// mark gives the new table a comment that goes with it when its name changes: an interruption right after the swap
// must not swap back.
func (r *rebuild) mark(ctx context.Context) error {
	if err := r.click.Exec(ctx, fmt.Sprintf("alter table %s modify comment '%s'", r.table, r.book.Mark)); err != nil {
		return fmt.Errorf("mark table %s: %w", r.table, err)
	}
	return nil
}

func (r *rebuild) isSwapped(ctx context.Context) (bool, error) {
	var count uint64
	err := r.click.QueryRow(ctx, "select count() from system.tables where database = currentDatabase() and name = ? and comment = ?",
		r.model.Table(), r.book.Mark).Scan(&count)
	if err != nil {
		return false, fmt.Errorf("look at table %s: %w", r.model.Table(), err)
	}
	return count > 0, nil
}

// swap exchanges the names at once, or, where the database's engine cannot, renames the two one after the other.
func (r *rebuild) swap(ctx context.Context) error {
	err := r.click.Exec(ctx, fmt.Sprintf("exchange tables %s and %s", r.table, r.model.Table()))
	var refused *clickhouse.Exception
	if errors.As(err, &refused) && (refused.Code == notImplemented || refused.Code == unknownTable) {
		err = r.rename(ctx)
	}
	if err != nil {
		return fmt.Errorf("give table %s the name %s: %w", r.table, r.model.Table(), err)
	}
	return nil
}

func (r *rebuild) rename(ctx context.Context) error {
	var count uint64
	err := r.click.QueryRow(ctx, "select count() from system.tables where database = currentDatabase() and name = ?", r.model.Table()).Scan(&count)
	if err != nil {
		return err
	}
	if count > 0 { // else an earlier run was interrupted between the two
		if err := r.drop(ctx, r.old()); err != nil {
			return err
		}
		if err := r.click.Exec(ctx, fmt.Sprintf("rename table %s to %s", r.model.Table(), r.old())); err != nil {
			return err
		}
	}
	return r.click.Exec(ctx, fmt.Sprintf("rename table %s to %s", r.table, r.model.Table()))
}

func (r *rebuild) old() string { return r.model.Table() + "_old" }

func (r *rebuild) dropOld(ctx context.Context) error {
	return errors.Join(r.drop(ctx, r.table), r.drop(ctx, r.old()))
}

func (r *rebuild) drop(ctx context.Context, table string) error {
	if err := r.click.Exec(ctx, fmt.Sprintf("drop table if exists %s sync", table)); err != nil {
		return fmt.Errorf("drop table %s: %w", table, err)
	}
	return nil
}
