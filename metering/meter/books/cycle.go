package books

import (
	"encoding/binary"
	"errors"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/count"
)

// cycleColumns are those that usage_cycle.sql returns: the cycle, eight counts, the service.
const cycleColumns = 10

var errCycle = errors.New("a cycle's row is not in Postgres' binary format")

// ReadCycle reads a row of usage_cycle.sql, by hand because there is one for every service in every flush.
func ReadCycle(raw [][]byte) (key CycleKey, u count.Usage, err error) {
	const id, number = len(uuid.UUID{}), 8
	if len(raw) != cycleColumns || len(raw[0]) != id || len(raw[cycleColumns-1]) != id {
		return key, u, errCycle
	}
	for i, field := range [...]*int64{
		&u.BytesInL2, &u.BytesOutL2, &u.BytesInL3, &u.BytesOutL3, &u.PacketsIn, &u.PacketsOut, &u.SamplesIn, &u.SamplesOut,
	} {
		if len(raw[i+1]) != number {
			return key, u, errCycle
		}
		*field = int64(binary.BigEndian.Uint64(raw[i+1]))
	}
	key.Cycle, key.Service = uuid.UUID(raw[0]), uuid.UUID(raw[cycleColumns-1])
	return key, u, nil
}
