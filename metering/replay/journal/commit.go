package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/metering/envelope"
)

// Envelope is one to be sent, without a sequence yet.
type Envelope struct {
	Partition int
	Value     []byte
}

// Change is what a batch does to a minute.
type Change struct {
	Parts  int      // as they were read
	Hashes []uint64 // newly counted
	Found  int64    // -1: the minute is not read to its end yet
}

// Batch is written whole or not at all.
type Batch struct {
	Envelopes []Envelope
	Minutes   map[int64]Change // by Unix second
	Next      time.Time        // the job's cursor from now on
	Counts    json.RawMessage
}

const advanceSQL = `update replay_job set next_at = $3, counts = $4, updated_at = $5 where id = $1 and epoch = $2`

// Commit writes a batch. After an error other than ErrConflict and ErrFenced it is not known whether it was written:
// read the slice again, and what was counted is known.
func (j *Journal) Commit(ctx context.Context, job *Job, b Batch) error {
	now := j.now()
	err := pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, advanceSQL, job.ID, job.epoch, b.Next, b.Counts, now)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrFenced
		}
		if err := writeMinutes(ctx, tx, job.Source, b.Minutes, now); err != nil {
			return err
		}
		return writeOutbox(ctx, tx, job, b.Envelopes)
	})
	switch {
	case errors.Is(err, ErrConflict), errors.Is(err, ErrFenced):
		return err
	case err != nil:
		return fmt.Errorf("write what was read: %w", err)
	}
	job.Next, job.Counts = b.Next, b.Counts
	return nil
}

const touchSQL = `update replay_job set updated_at = $3 where id = $1 and epoch = $2`

// Send puts envelopes into the outbox that speak of no documents: reports. It may be called beside Commit.
func (j *Journal) Send(ctx context.Context, job *Job, envelopes []Envelope) error {
	err := pgx.BeginFunc(ctx, j.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, touchSQL, job.ID, job.epoch, j.now())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrFenced
		}
		return writeOutbox(ctx, tx, job, envelopes)
	})
	if err != nil && !errors.Is(err, ErrFenced) {
		return fmt.Errorf("write a report: %w", err)
	}
	return err
}

const writeMinutesSQL = `
insert into replay_slice as s (source, minute, documents, found, parts, updated_at)
select $1, m.minute, m.documents, m.found, m.parts, $2
from unnest($3::timestamptz[], $4::bigint[], $5::bigint[], $6::int[]) as m (minute, documents, found, parts)
order by m.minute
on conflict (source, minute) do update set
    documents = s.documents + excluded.documents, found = excluded.found, parts = excluded.parts, updated_at = excluded.updated_at
where s.parts = excluded.parts - 1 and not s.sealed`

const writeSeenSQL = `
insert into replay_seen (source, minute, part, hashes)
select $1, * from unnest($2::timestamptz[], $3::int[], $4::bytea[])`

func writeMinutes(ctx context.Context, tx pgx.Tx, source string, changes map[int64]Change, now time.Time) error {
	var minutes, seenMinutes []time.Time
	var documents, found []int64
	var parts, seenParts []int
	var hashes [][]byte
	for _, at := range slices.Sorted(maps.Keys(changes)) {
		c, minute := changes[at], time.Unix(at, 0)
		minutes, documents = append(minutes, minute), append(documents, int64(len(c.Hashes)))
		found, parts = append(found, c.Found), append(parts, c.Parts+1)
		if len(c.Hashes) > 0 {
			seenMinutes, seenParts, hashes = append(seenMinutes, minute), append(seenParts, c.Parts+1), append(hashes, pack(c.Hashes))
		}
	}
	tag, err := tx.Exec(ctx, writeMinutesSQL, source, now, minutes, documents, found, parts)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != int64(len(minutes)) {
		return ErrConflict
	}
	_, err = tx.Exec(ctx, writeSeenSQL, source, seenMinutes, seenParts, hashes)
	return err
}

const takeSequencesSQL = `
insert into replay_sequence as s (job_id, partition, last)
select $1, * from unnest($2::int[], $3::bigint[])
on conflict (job_id, partition) do update set last = s.last + excluded.last
returning partition, last`

// writeOutbox numbers the envelopes in their order, partition by partition. The job's row is locked: nobody else does.
func writeOutbox(ctx context.Context, tx pgx.Tx, job *Job, envelopes []Envelope) error {
	if len(envelopes) == 0 {
		return nil
	}
	count := map[int]int64{}
	for _, e := range envelopes {
		count[e.Partition]++
	}
	partitions := slices.Sorted(maps.Keys(count))
	counts := make([]int64, len(partitions))
	for i, p := range partitions {
		counts[i] = count[p]
	}
	rows, err := tx.Query(ctx, takeSequencesSQL, job.ID, partitions, counts)
	if err != nil {
		return err
	}
	next := map[int]int64{}
	var partition int
	var last int64
	if _, err := pgx.ForEachRow(rows, []any{&partition, &last}, func() error {
		next[partition] = last - count[partition] + 1
		return nil
	}); err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"replay_outbox"}, []string{"job_id", "partition", "sequence", "envelope"},
		pgx.CopyFromSlice(len(envelopes), func(i int) ([]any, error) {
			e := envelopes[i]
			sequence := next[e.Partition]
			next[e.Partition]++
			envelope.SetSequence(e.Value, uint64(sequence))
			return []any{job.ID, e.Partition, sequence, e.Value}, nil
		}))
	return err
}
