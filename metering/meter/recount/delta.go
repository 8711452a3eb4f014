package recount

import "github.com/ezscale/platform/metering/meter/count"

// Delta is what an hour of a service at an exporter is off by.
type Delta struct {
	Key
	Old count.Usage // as the books will have it once all corrections are applied
	New count.Usage // as the log has it, with what an operator has released from quarantine
	By  count.Usage // New less Old
}

// Deltas compares a recount with the books it was made for, and gives the hours that differ, in order.
func Deltas(b *Books, counted Sums) []Delta {
	var all []Delta
	for _, k := range Keys(b.Usage, b.Waiting, b.Released, counted) {
		d := Delta{Key: k, Old: b.Effective(k), New: counted[k]}
		released := b.Released[k]
		d.New.Add(&released)
		if d.By = Less(d.New, d.Old); d.By != (count.Usage{}) {
			all = append(all, d)
		}
	}
	return all
}

// Less takes usage away from u.
func Less(u count.Usage, all ...count.Usage) count.Usage {
	for _, v := range all {
		v = count.Usage{
			BytesInL2: -v.BytesInL2, BytesOutL2: -v.BytesOutL2, BytesInL3: -v.BytesInL3, BytesOutL3: -v.BytesOutL3,
			PacketsIn: -v.PacketsIn, PacketsOut: -v.PacketsOut, SamplesIn: -v.SamplesIn, SamplesOut: -v.SamplesOut,
		}
		u.Add(&v)
	}
	return u
}
