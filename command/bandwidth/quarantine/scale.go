package quarantine

import (
	"math/bits"

	"github.com/ezscale/platform/internal/fault"
)

// usage is what samples come to at a rate: bytes and packets, by direction.
type usage struct {
	BytesInL2, BytesOutL2, BytesInL3, BytesOutL3, PacketsIn, PacketsOut, SamplesIn, SamplesOut int64
}

// scale multiplies a row by a rate. Errors: fault.Invalid when that is more than an order may add.
func (r open) scale(rate int64) (usage, error) {
	l2, okL2 := times(r.FrameLength, rate)
	l3, okL3 := times(r.IPLength, rate)
	packets, okPackets := times(r.Samples, rate)
	if !okL2 || !okL3 || !okPackets {
		return usage{}, tooMuch(rate)
	}
	if r.Direction == "in" {
		return usage{BytesInL2: l2, BytesInL3: l3, PacketsIn: packets, SamplesIn: r.Samples}, nil
	}
	return usage{BytesOutL2: l2, BytesOutL3: l3, PacketsOut: packets, SamplesOut: r.Samples}, nil
}

// plus adds up. Errors: as scale. What it adds is within the bound itself, so that no sum can overflow.
func (u usage) plus(v usage, rate int64) (usage, error) {
	sum := usage{BytesInL2: u.BytesInL2 + v.BytesInL2, BytesOutL2: u.BytesOutL2 + v.BytesOutL2,
		BytesInL3: u.BytesInL3 + v.BytesInL3, BytesOutL3: u.BytesOutL3 + v.BytesOutL3,
		PacketsIn: u.PacketsIn + v.PacketsIn, PacketsOut: u.PacketsOut + v.PacketsOut,
		SamplesIn: u.SamplesIn + v.SamplesIn, SamplesOut: u.SamplesOut + v.SamplesOut}
	if max(sum.BytesInL2+sum.BytesOutL2, sum.BytesInL3+sum.BytesOutL3, sum.PacketsIn+sum.PacketsOut) > maxTotal {
		return usage{}, tooMuch(rate)
	}
	return sum, nil
}

// times multiplies two numbers that are not negative, within the bound.
func times(n, rate int64) (int64, bool) {
	high, low := bits.Mul64(uint64(n), uint64(rate))
	return int64(low), n >= 0 && rate >= 0 && high == 0 && low <= maxTotal
}

func tooMuch(rate int64) error {
	var fields fault.Fields
	fields.Add("rate_given", "%d would add more than an exabyte; look whether it is the rate, or narrow the hours", rate)
	return fields.Err()
}
