// Package billable is the rule that says which of a service's bytes its plan bills. The meter decides alerts by it,
// billing invoices, and the pages show it: all three ask here, so that they can never disagree. The package is pure.
package billable

// Sides tells which directions are billed: both ("sum"), one ("in", "out"), or the larger ("max"; of two equal ones
// out). in and out are bytes of the plan's basis. Anything else is "sum": directions are checked where they come in.
func Sides(direction string, in, out int64) (billsIn, billsOut bool) {
	switch direction {
	case "in":
		return true, false
	case "out":
		return false, true
	case "max":
		return in > out, in <= out
	default:
		return true, true
	}
}

// Bytes are the bytes that are billed.
func Bytes(direction string, in, out int64) int64 {
	switch billsIn, billsOut := Sides(direction, in, out); {
	case !billsOut:
		return in
	case !billsIn:
		return out
	default:
		return in + out
	}
}
