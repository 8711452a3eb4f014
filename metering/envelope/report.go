package envelope

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxUnknown is the number of unknown sources that one report names at most.
const MaxUnknown = 64

// ErrReport is a report body that cannot be read.
var ErrReport = errors.New("report cannot be read")

// Report is what a collector says about itself, to every partition, about once a second. Counts are totals since
// its boot, so that a lost report loses nothing.
type Report struct {
	Host   string    `json:"host"`
	Listen string    `json:"listen"` // bound addresses, comma separated
	At     time.Time `json:"at"`     // when the report was made
	// Watermark: every datagram received before it, for this partition, is in a message before this one.
	Watermark        time.Time       `json:"watermark"`
	ReceiveBuffer    int64           `json:"receive_buffer"` // bytes that the kernel granted each socket
	Datagrams        int64           `json:"datagrams"`      // received from known exporters
	Bytes            int64           `json:"bytes"`          // UDP payload of those
	KernelDrops      int64           `json:"kernel_drops"`   // datagrams that the sockets could not hold, of any source
	SpoolDrops       int64           `json:"spool_drops"`    // datagrams dropped because Kafka was away for longer than the buffers last
	UnknownDatagrams int64           `json:"unknown_datagrams"`
	Unknown          []UnknownSource `json:"unknown"` // the last heard, at most MaxUnknown
}

// UnknownSource is an address that sends but belongs to no exporter.
type UnknownSource struct {
	Source    string    `json:"source"`
	Datagrams int64     `json:"datagrams"`
	Bytes     int64     `json:"bytes"`
	LastAt    time.Time `json:"last_at"`
}

// AppendReport appends a whole report envelope to b.
func AppendReport(b []byte, h Header, r Report) ([]byte, error) {
	if len(r.Unknown) > MaxUnknown {
		r.Unknown = r.Unknown[:MaxUnknown]
	}
	if r.Unknown == nil {
		r.Unknown = []UnknownSource{}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	if HeaderSize+len(body) > MaxSize {
		return nil, ErrLong
	}
	h.Kind = KindReport
	return append(appendHeader(b, h), body...), nil
}

// Report reads a report's body.
func (b Body) Report() (Report, error) {
	var r Report
	if err := json.Unmarshal(b.rest, &r); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if len(r.Unknown) > MaxUnknown {
		return Report{}, fmt.Errorf("%w: %d unknown sources", ErrReport, len(r.Unknown))
	}
	return r, nil
}
