package books

import (
	"encoding/binary"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/metering/meter/count"
)

// cycleColumns are those that usage_cycle.sql returns: the cycle and eight counts.
const cycleColumns = 9

var errCycle = errors.New("a cycle's row is not in Postgres' binary format, or of no cycle that was written")

// readCycles reads what usage_cycle.sql returns. Rows come in the order in which they were written, which is t's or
// nearly so; that is not relied upon, only made use of.
func readCycles(found pgx.Rows, t *Table[CycleKey], each func(key CycleKey, added, now *count.Usage)) error {
	defer found.Close()
	next := 0
	for found.Next() {
		id, now, err := readCycle(found.RawValues())
		if err != nil {
			return err
		}
		at := next
		for tried := 0; t.Keys[at].Cycle != id; tried++ {
			if at++; at == len(t.Keys) {
				at = 0
			}
			if tried == len(t.Keys) {
				return errCycle
			}
		}
		each(t.Keys[at], &t.Sums[at], &now)
		next = (at + 1) % len(t.Keys)
	}
	return found.Err()
}

// readCycle reads a row by hand, because there is one for every service in every flush.
func readCycle(raw [][]byte) (id uuid.UUID, u count.Usage, err error) {
	const number = 8
	if len(raw) != cycleColumns || len(raw[0]) != len(id) {
		return id, u, errCycle
	}
	for i, field := range [...]*int64{
		&u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3, &u.PacketsIn, &u.PacketsOut, &u.SamplesIn, &u.SamplesOut,
	} {
		if len(raw[i+1]) != number {
			return id, u, errCycle
		}
		*field = int64(binary.BigEndian.Uint64(raw[i+1]))
	}
	return uuid.UUID(raw[0]), u, nil
}
