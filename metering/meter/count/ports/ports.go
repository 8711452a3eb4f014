// Package ports adds up what ports did, by hour: what their own counters told, and what the samples of flows tell of them,
// for the two to be compared. It is a part of package count.
package ports

import "github.com/ezscale/platform/metering/meter/ownership"

// Hour names a row of port_hourly.
type Hour struct {
	ownership.Port
	Hour int64 // since 1970
}

// Use is what a port's hour adds to port_hourly.
type Use struct {
	OctetsIn, OctetsOut, PacketsIn, PacketsOut         int64
	Readings, Resets, Implausible, GapSeconds          int64
	FlowIn, FlowOut, FlowInElsewhere, FlowOutElsewhere int64
	SamplesIn, SamplesOut                              int64
	SamplesInElsewhere, SamplesOutElsewhere            int64

	rate        uint32 // of the newest samples, and how many of them are not in Rates yet
	rateSamples int64
}

// Rate names a row of port_rate_hourly.
type Rate struct {
	Hour
	Rate uint32
}

// MaxHours bounds a table's hours of ports.
const MaxHours = 64 << 10

const (
	cacheSize = 256 // ports whose rows are found without a map
	maxRates  = 64 << 10
)

// Table finds the rows of ports. Samples come in runs of few ports, so a small cache of rows stands before the map.
type Table struct {
	PortHours map[Hour]*Use
	Rates     map[Rate]int64
	cache     [cacheSize]struct {
		key Hour
		use *Use
	}
}

// NewTable makes one.
func NewTable() Table {
	return Table{PortHours: map[Hour]*Use{}, Rates: map[Rate]int64{}}
}

// Reset forgets all rows.
func (t *Table) Reset() {
	clear(t.PortHours)
	clear(t.Rates)
	clear(t.cache[:])
}

// Use is the row of a port's hour; nil over the bound.
func (t *Table) Use(exporter int32, index uint32, hour int64) *Use {
	place := &t.cache[(index^uint32(exporter)*0x9e3779b9)%cacheSize]
	key := Hour{ownership.Port{Exporter: exporter, Index: index}, hour}
	if place.use != nil && place.key == key {
		return place.use
	}
	u, ok := t.PortHours[key]
	if !ok {
		if len(t.PortHours) >= MaxHours {
			return nil
		}
		u = &Use{}
		t.PortHours[key] = u
	}
	place.key, place.use = key, u
	return u
}

// Sampled notes the rate of a sample taken at a port.
func (t *Table) Sampled(key Hour, u *Use, rate uint32) {
	if u.rate != rate {
		t.note(key, u)
		u.rate = rate
	}
	u.rateSamples++
}

func (t *Table) note(key Hour, u *Use) {
	row := Rate{key, u.rate}
	if _, ok := t.Rates[row]; u.rateSamples > 0 && (ok || len(t.Rates) < maxRates) {
		t.Rates[row] += u.rateSamples
	}
	u.rateSamples = 0
}

// SettleRates moves the rates that are counted beside Rates into it, before it is read.
func (t *Table) SettleRates() {
	for key, u := range t.PortHours {
		t.note(key, u)
	}
}

// In adds to the estimate of what came in by a port: sampled there, or where it went out.
func (u *Use) In(here bool, bytes, samples int64) {
	if here {
		u.FlowIn, u.SamplesIn = u.FlowIn+bytes, u.SamplesIn+samples
		return
	}
	u.FlowInElsewhere, u.SamplesInElsewhere = u.FlowInElsewhere+bytes, u.SamplesInElsewhere+samples
}

// Out adds to the estimate of what went out by a port.
func (u *Use) Out(here bool, bytes, samples int64) {
	if here {
		u.FlowOut, u.SamplesOut = u.FlowOut+bytes, u.SamplesOut+samples
		return
	}
	u.FlowOutElsewhere, u.SamplesOutElsewhere = u.FlowOutElsewhere+bytes, u.SamplesOutElsewhere+samples
}
