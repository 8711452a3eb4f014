package events

import (
	"time"

	"github.com/google/uuid"
)

// UsageWindow is the absolute state of one minute of one service: the totals so far, not a delta. The higher
// Version wins, so that repeats and disorder are harmless. Key: the service id's 16 bytes.
type UsageWindow struct {
	ServiceID uuid.UUID   `json:"service_id"`
	Start     time.Time   `json:"start"`   // whole minute, UTC
	Version   int64       `json:"version"` // grows with every change
	Slots     []UsageSlot `json:"slots"`   // ten seconds each, ascending; silent ones left out
}

// UsageSlot is ten seconds of a window. Offset is seconds from the window's start: 0, 10 … 50.
type UsageSlot struct {
	Offset     int   `json:"offset"`
	BytesInL2  int64 `json:"bytes_in_l2"`
	BytesOutL2 int64 `json:"bytes_out_l2"`
	BytesInL3  int64 `json:"bytes_in_l3"`
	BytesOutL3 int64 `json:"bytes_out_l3"`
	PacketsIn  int64 `json:"packets_in"`
	PacketsOut int64 `json:"packets_out"`
	SamplesIn  int64 `json:"samples_in"`
	SamplesOut int64 `json:"samples_out"`
}
