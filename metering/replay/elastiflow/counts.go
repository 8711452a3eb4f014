package elastiflow

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/ezscale/platform/metering/replay/scale"
)

// Reasons for keeping a document back that documents themselves do not give.
const (
	ReasonUnknownExporter = "unknown_exporter"
	ReasonSealed          = "sealed" // came when its minute was closed: reported, not billed
)

const (
	maxUnknown = 1000  // exporters' addresses that are told apart
	maxBooks   = 10000 // exporters' addresses whose scale is remembered
	maxReasons = 100
	others     = "others"
)

// Counts is what became of the documents of a job. Found = Counted + Duplicates + what was kept back.
type Counts struct {
	Found      int64                  `json:"found"`
	Counted    int64                  `json:"counted"`
	Bytes      uint64                 `json:"bytes"` // of the counted, L2
	Duplicates int64                  `json:"duplicates"`
	Kept       map[string]int64       `json:"kept"`     // by reason
	Examples   map[string]string      `json:"examples"` // by reason: one document
	Unknown    map[string]int64       `json:"unknown"`  // by exporter's address
	Scale      map[string]*scale.Book `json:"scale"`    // by exporter's address
	Schemas    map[string]int64       `json:"schemas"`
}

func newCounts() Counts {
	return Counts{
		Kept: map[string]int64{}, Examples: map[string]string{}, Unknown: map[string]int64{},
		Scale: map[string]*scale.Book{}, Schemas: map[string]int64{},
	}
}

// ParseCounts reads a job's counts as the journal has them.
func ParseCounts(text json.RawMessage) (Counts, error) {
	c := newCounts()
	if len(text) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("read the counts of the replay: %w", err)
	}
	return c, nil
}

func (c Counts) json() (json.RawMessage, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write the counts of the replay: %w", err)
	}
	return text, nil
}

// KeptBack is the sum over all reasons.
func (c Counts) KeptBack() int64 {
	var n int64
	for _, k := range c.Kept {
		n += k
	}
	return n
}

// add adds what a slice has found; times is -1 to take it back. The books of the scale are shared, not added.
func (c *Counts) add(d Counts, times int64) {
	c.Found += times * d.Found
	c.Duplicates += times * d.Duplicates
	addAll(c.Kept, d.Kept, times, maxReasons)
	addAll(c.Unknown, d.Unknown, times, maxUnknown)
	addAll(c.Schemas, d.Schemas, times, maxReasons)
	for reason, example := range d.Examples {
		if _, ok := c.Examples[reason]; !ok && len(c.Examples) < maxReasons {
			c.Examples[reason] = example
		}
	}
}

// addAll adds counts by name; names over the bound are one.
func addAll(to, from map[string]int64, times int64, most int) {
	for name, n := range from {
		if _, ok := to[name]; !ok && len(to) >= most {
			name = others
		}
		if to[name] += times * n; to[name] == 0 {
			delete(to, name)
		}
	}
}

// keep notes a document that is not counted.
func (c *Counts) keep(reason, example string) {
	c.Kept[reason]++
	if _, ok := c.Examples[reason]; !ok {
		c.Examples[reason] = example
	}
}

// book is what is known about the scale of an exporter's documents.
func (c *Counts) book(address netip.Addr) *scale.Book {
	name := address.String()
	b, ok := c.Scale[name]
	if !ok {
		if len(c.Scale) >= maxBooks {
			name = others
			if b, ok = c.Scale[name]; ok {
				return b
			}
		}
		b = &scale.Book{}
		c.Scale[name] = b
	}
	return b
}
