package journal

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Row is one envelope that waits.
type Row struct {
	Sequence int64
	Value    []byte
}

const waitingSQL = `select count(*), coalesce(sum(octet_length(envelope)), 0)::bigint from replay_outbox where job_id = $1`

// Waiting tells how many envelopes of a job wait, and their bytes.
func (j *Journal) Waiting(ctx context.Context, job uuid.UUID) (count, bytes int64, err error) {
	if err := j.pool.QueryRow(ctx, waitingSQL, job).Scan(&count, &bytes); err != nil {
		return 0, 0, fmt.Errorf("count what waits to be sent: %w", err)
	}
	return count, bytes, nil
}

const producersSQL = `
select distinct o.job_id from replay_outbox o join replay_job j on j.id = o.job_id where j.source = $1 and o.job_id <> $2`

// Abandoned are the other jobs of a source that have envelopes waiting. Whoever works on the source sends them: their
// documents are known as counted.
func (j *Journal) Abandoned(ctx context.Context, source string, but uuid.UUID) ([]uuid.UUID, error) {
	rows, err := j.pool.Query(ctx, producersSQL, source, but)
	if err != nil {
		return nil, fmt.Errorf("find what other replays have left: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("find what other replays have left: %w", err)
	}
	return ids, nil
}

const firstSQL = `
select sequence, envelope from replay_outbox where job_id = $1 and partition = $2 order by sequence limit $3`

// First gives the first envelopes that wait for a partition.
func (j *Journal) First(ctx context.Context, job uuid.UUID, partition, most int) ([]Row, error) {
	rows, err := j.pool.Query(ctx, firstSQL, job, partition, most)
	if err != nil {
		return nil, fmt.Errorf("read what waits to be sent: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Row])
	if err != nil {
		return nil, fmt.Errorf("read what waits to be sent: %w", err)
	}
	return all, nil
}

const sentSQL = `delete from replay_outbox where job_id = $1 and partition = $2 and sequence <= $3`

// Sent forgets what the broker has, up to a sequence.
func (j *Journal) Sent(ctx context.Context, job uuid.UUID, partition int, last int64) error {
	if _, err := j.pool.Exec(ctx, sentSQL, job, partition, last); err != nil {
		return fmt.Errorf("forget what was sent: %w", err)
	}
	return nil
}
