// Package journal is what a replay knows in Postgres, and why it counts every document once.
//
// A document is counted by one transaction: its hash goes into the minute's list, its envelope with the job's next
// sequence into the outbox. What is in the list is never taken again, what is in the outbox is sent until the broker
// has it, and a sequence that is sent twice is dropped by the meter. So it does not matter where a process dies.
//
// The list belongs to the source and its minute, not to the job: a backfill and a follower over the same time share it.
// Each write of a minute names the number of writes that it has read; when another process was faster nothing is
// written (ErrConflict) and the slice is read anew. A process that works on a job takes a new epoch; one with an older
// epoch writes nothing any more (ErrFenced). It may still send: first occurrences stay in order all the same.
//
// After a while the lists are thrown away and their minutes sealed: nothing is added to them any more.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The failures that callers tell apart.
var (
	ErrConflict = errors.New("another replay has written the same minutes")
	ErrFenced   = errors.New("another process has taken over this replay")
	ErrOther    = errors.New("a replay of this name reads something else")
)

// Mode of a job.
type Mode string

// Modes.
const (
	Backfill Mode = "backfill" // from a time to a time, and then done
	Follow   Mode = "follow"   // up to now, for ever
)

// State of a job.
type State string

// States.
const (
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Spec says what a job reads. To is zero for one that follows.
type Spec struct {
	Name, Source, Host, Indices string
	Mode                        Mode
	From, To                    time.Time
}

// Job is one replay, as it was when it was opened; Next and Counts move with Commit.
type Job struct {
	Spec
	ID     uuid.UUID
	Boot   int64
	State  State
	Next   time.Time
	Counts json.RawMessage
	Error  string

	Updated time.Time
	Unsent  int64 // envelopes; of List only
	epoch   int64
}

// Journal keeps jobs.
type Journal struct {
	pool *pgxpool.Pool
	now  func() time.Time
}

// New makes a journal on a pool of the meter's role.
func New(pool *pgxpool.Pool, now func() time.Time) *Journal { return &Journal{pool: pool, now: now} }

const createSQL = `
insert into replay_job (id, name, source, host, indices, mode, starts_at, ends_at, boot, state, next_at, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', $7, $10, $10)
on conflict (name) do nothing`

const takeSQL = `
update replay_job set epoch = epoch + 1, host = $2, state = 'running', error = '', updated_at = $3,
    next_at = case when state = 'done' then starts_at else next_at end,
    counts = case when state = 'done' then '{}' else counts end
where name = $1
returning id, source, indices, mode, starts_at, ends_at, boot, next_at, counts, epoch`

// Open makes the job, or goes on with the one of that name. One that is done begins again: it takes what has been
// added since. A job of the name that reads something else is ErrOther.
func (j *Journal) Open(ctx context.Context, s Spec) (*Job, error) {
	now := j.now()
	var to *time.Time
	if !s.To.IsZero() {
		to = &s.To
	}
	job := &Job{Spec: s, State: Running}
	err := pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, createSQL, uuid.New(), s.Name, s.Source, s.Host, s.Indices, s.Mode, s.From, to, now.UnixNano(), now); err != nil {
			return err
		}
		var end *time.Time
		err := tx.QueryRow(ctx, takeSQL, s.Name, s.Host, now).Scan(&job.ID, &job.Source, &job.Indices, &job.Mode, &job.From, &end,
			&job.Boot, &job.Next, &job.Counts, &job.epoch)
		if end != nil {
			job.To = *end
		}
		if err == nil && !job.same(s) {
			return fmt.Errorf("%w: %s of %s from %s", ErrOther, job.Mode, job.Indices, job.From.UTC().Format(time.RFC3339))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the replay %q: %w", s.Name, err)
	}
	return job, nil
}

// same tells whether a job reads what s asks for. A follower goes on from where it was, whatever its start.
func (j *Job) same(s Spec) bool {
	return j.Source == s.Source && j.Indices == s.Indices && j.Mode == s.Mode && j.To.Equal(s.To) &&
		(j.Mode == Follow || j.From.Equal(s.From))
}

const finishSQL = `update replay_job set state = $3, error = $4, updated_at = $5 where id = $1 and epoch = $2`

// Finish says how a job has ended.
func (j *Journal) Finish(ctx context.Context, job *Job, state State, why string) error {
	tag, err := j.pool.Exec(ctx, finishSQL, job.ID, job.epoch, state, why, j.now())
	if err != nil {
		return fmt.Errorf("finish the replay: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrFenced
	}
	return nil
}

const listSQL = `
select j.id, name, source, host, indices, mode, starts_at, ends_at, boot, state, next_at, counts, error, updated_at,
    (select count(*) from replay_outbox o where o.job_id = j.id)
from replay_job j
order by updated_at desc
limit $1`

// maxListed bounds List.
const maxListed = 1000

// List gives the jobs, the last used first.
func (j *Journal) List(ctx context.Context) ([]Job, error) {
	rows, err := j.pool.Query(ctx, listSQL, maxListed)
	if err != nil {
		return nil, fmt.Errorf("list the replays: %w", err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Job, error) {
		var job Job
		var end *time.Time
		err := row.Scan(&job.ID, &job.Name, &job.Source, &job.Host, &job.Indices, &job.Mode, &job.From, &end, &job.Boot, &job.State, &job.Next,
			&job.Counts, &job.Error, &job.Updated, &job.Unsent)
		if end != nil {
			job.To = *end
		}
		return job, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the replays: %w", err)
	}
	return jobs, nil
}
