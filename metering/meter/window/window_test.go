package window

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/metering/meter/count"
	"github.com/ezscale/platform/schemas/events"
)

// The hand-written JSON is that of encoding/json, to the byte.
func TestJSONIsThatOfTheEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64()
		start := time.Unix(rapid.Int64Range(0, 1<<31).Draw(t, "minute")*60, 0).UTC()
		w := Window{Service: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "service")), Start: start}
		want := events.UsageWindow{ServiceID: w.Service, Start: start, Slots: []events.UsageSlot{}}
		for offset := range rapid.IntRange(0, 6).Draw(t, "slots") {
			u := count.Usage{BytesInL2: number.Draw(t, "n"), BytesOutL2: number.Draw(t, "n"), BytesInL3: 3, BytesOutL3: 4, PacketsIn: 5, PacketsOut: 6, SamplesIn: 7, SamplesOut: 8}
			w.Add(Slot{Service: w.Service, At: start.Add(time.Duration(offset) * 10 * time.Second), Version: 2, Usage: u})
			want.Version += 2
			want.Slots = append(want.Slots, events.UsageSlot{
				Offset: offset * 10, BytesInL2: u.BytesInL2, BytesOutL2: u.BytesOutL2, BytesInL3: 3, BytesOutL3: 4, PacketsIn: 5, PacketsOut: 6, SamplesIn: 7, SamplesOut: 8,
			})
		}
		expected, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(expected), string(w.AppendJSON(nil))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestReadSlot(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	at := time.Date(2026, 3, 1, 10, 0, 10, 0, time.UTC)
	raw := [][]byte{id[:], binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()-epochOfPostgres))}
	for i := range 9 {
		raw = append(raw, binary.BigEndian.AppendUint64(nil, uint64(i+1)))
	}
	got, err := ReadSlot(raw)
	want := Slot{Service: id, At: at, Version: 1, Usage: count.Usage{
		BytesInL2: 2, BytesOutL2: 3, BytesInL3: 4, BytesOutL3: 5, PacketsIn: 6, PacketsOut: 7, SamplesIn: 8, SamplesOut: 9,
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, bad := range [][][]byte{nil, raw[:10], {id[:3]}, append([][]byte{id[:], {1, 2, 3, 4}}, raw[2:]...)} {
		if _, err := ReadSlot(bad); !errors.Is(err, errSlot) {
			t.Errorf("%v", err)
		}
	}
}
