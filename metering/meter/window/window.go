// Package window makes the messages of usage.v1 from rows of usage_slot. It is the most frequent message of the
// platform, so both sides are done by hand: the row's binary format in, JSON out.
package window

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/kafka"
	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/schemas/events"
)

// Slot is a row of usage_slot.
type Slot struct {
	Service uuid.UUID
	At      time.Time
	Version int64
	count.Usage
}

// Window gathers the slots of one service and minute.
type Window struct {
	Service uuid.UUID
	Start   time.Time // whole minute, UTC
	Version int64     // sum of the slots'
	Slots   []Slot
}

// windowBytes is the rough size of a window without its slots, for the buffer.
const windowBytes = 200

// Batches are messages by partition of usage.v1.
type Batches [events.UsagePartitions][]kafka.Message

// Add encodes a window, unless it is empty, and empties it.
func (b *Batches) Add(w *Window) {
	if len(w.Slots) > 0 {
		key := w.Service
		message := kafka.Message{Key: key[:], Value: w.AppendJSON(make([]byte, 0, windowBytes*(1+len(w.Slots))))}
		partition := &b[events.Partition(events.VirtualShard(key), events.UsagePartitions)]
		*partition = append(*partition, message)
	}
	w.Version, w.Slots = 0, w.Slots[:0]
}

// AppendJSON writes an events.UsageWindow as encoding/json would, at a tenth of the cost: windows are the most
// frequent message of the platform.
func (w *Window) AppendJSON(b []byte) []byte {
	b = append(b, `{"service_id":"`...)
	b = appendUUID(b, w.Service)
	b = append(b, `","start":"`...)
	b = w.Start.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","version":`...)
	b = strconv.AppendInt(b, w.Version, 10)
	b = append(b, `,"slots":[`...)
	for i := range w.Slots {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.Slots[i].appendJSON(b, w.Start)
	}
	return append(b, "]}"...)
}

func (s *Slot) appendJSON(b []byte, start time.Time) []byte {
	b = append(b, `{"offset":`...)
	b = strconv.AppendInt(b, int64(s.At.Sub(start)/time.Second), 10)
	for _, field := range [...]struct {
		name  string
		value int64
	}{
		{"bytes_in_l2", s.BytesInL2}, {"bytes_out_l2", s.BytesOutL2}, {"bytes_in_l3", s.BytesInL3}, {"bytes_out_l3", s.BytesOutL3},
		{"packets_in", s.PacketsIn}, {"packets_out", s.PacketsOut}, {"samples_in", s.SamplesIn}, {"samples_out", s.SamplesOut},
	} {
		b = append(b, `,"`...)
		b = append(b, field.name...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, field.value, 10)
	}
	return append(b, '}')
}

func appendUUID(b []byte, id uuid.UUID) []byte {
	text, _ := id.MarshalText() // never fails
	return append(b, text...)
}

// slotColumns are those of slots.sql: a uuid and then ten numbers of eight bytes.
const slotColumns = 11

// epochOfPostgres is 2000-01-01 in Unix microseconds.
const epochOfPostgres = 946_684_800_000_000

var errSlot = errors.New("a slot row is not in Postgres' binary format")

// ReadSlot reads a row of slots.sql. It is done by hand because it is done for every slot of every window: scanning
// by type costs ten times as much.
func ReadSlot(raw [][]byte) (r Slot, err error) {
	if len(raw) != slotColumns || len(raw[0]) != len(r.Service) {
		return r, errSlot
	}
	var numbers [slotColumns - 1]int64
	for i := range numbers {
		if len(raw[i+1]) != 8 {
			return r, errSlot
		}
		numbers[i] = int64(binary.BigEndian.Uint64(raw[i+1]))
	}
	r.Service = uuid.UUID(raw[0])
	r.At, r.Version = time.UnixMicro(numbers[0]+epochOfPostgres).UTC(), numbers[1]
	r.BytesInL2, r.BytesOutL2, r.BytesInL3, r.BytesOutL3 = numbers[2], numbers[3], numbers[4], numbers[5]
	r.PacketsIn, r.PacketsOut, r.SamplesIn, r.SamplesOut = numbers[6], numbers[7], numbers[8], numbers[9]
	return r, nil
}

// Add puts the next slot of the window's minute into it.
func (w *Window) Add(s Slot) {
	w.Version += s.Version
	w.Slots = append(w.Slots, s)
}

// Holds tells whether a slot belongs to the window.
func (w *Window) Holds(s *Slot) bool {
	return s.Service == w.Service && s.At.Truncate(time.Minute).Equal(w.Start)
}
