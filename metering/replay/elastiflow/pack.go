package elastiflow

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/schemas/events"
)

// envelopeBytes bounds one envelope: about 680 flows.
const envelopeBytes = 64 << 10

// pack puts flows into envelopes of their exporters, in the order of time. The same flows always give the same bytes.
func pack(producer uuid.UUID, boot int64, flows map[uuid.UUID][]envelope.Flow) ([]journal.Envelope, error) {
	var all []journal.Envelope
	for _, id := range slices.SortedFunc(maps.Keys(flows), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		mine := flows[id]
		slices.SortFunc(mine, func(a, b envelope.Flow) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Document, b.Document))
		})
		partition := events.Partition(events.VirtualShard(id), events.FlowPartitions)
		values, err := envelopes(envelope.Header{Collector: producer, Boot: boot, Exporter: id}, mine)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			all = append(all, journal.Envelope{Partition: partition, Value: v})
		}
	}
	return all, nil
}

func envelopes(h envelope.Header, flows []envelope.Flow) ([][]byte, error) {
	var all [][]byte
	var w envelope.Writer
	w.ResetFlows(nil, h, envelopeBytes)
	for i := 0; i < len(flows); {
		taken, err := w.AppendFlow(flows[i])
		switch {
		case err != nil:
			return nil, fmt.Errorf("pack a flow: %w", err)
		case taken:
			i++
		default:
			all = append(all, w.Seal(0)) // the journal gives the sequence
			w.ResetFlows(nil, h, envelopeBytes)
		}
	}
	if w.Count() > 0 {
		all = append(all, w.Seal(0))
	}
	return all, nil
}
