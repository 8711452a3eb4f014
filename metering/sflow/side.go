package sflow

// Interface formats: what Input and Output of a flow sample mean.
const (
	InterfaceIndex    = 0 // an ifIndex; 0 is unknown
	InterfaceDiscard  = 1 // dropped, the value is the reason
	InterfaceMultiple = 2 // sent out of that many interfaces

	// InterfaceLocal is the index of the device itself.
	InterfaceLocal = 0x3fffffff
)

// SourceInterface is the source class whose index is an ifIndex.
const SourceInterface = 0

// Side is the port on which a packet was sampled, as seen from the device.
type Side uint8

// Sides.
const (
	Unknown Side = iota // the source is no interface, or neither the input nor the output
	Ingress
	Egress
)

// Side tells by the source id whether the packet was sampled where it came in or where it went out. A packet that
// leaves by the port it came in by counts as ingress.
func (s *FlowSample) Side() Side {
	if s.SourceClass != SourceInterface || s.SourceIndex == 0 {
		return Unknown
	}
	if s.InputFormat == InterfaceIndex && s.Input == s.SourceIndex {
		return Ingress
	}
	if s.OutputFormat == InterfaceIndex && s.Output == s.SourceIndex {
		return Egress
	}
	return Unknown
}

// String gives the side's name.
func (s Side) String() string {
	switch s {
	case Ingress:
		return "ingress"
	case Egress:
		return "egress"
	default:
		return "unknown"
	}
}

// unpackSource splits the source id of a sample that is not expanded: 8 bits of class, 24 of index.
func unpackSource(v uint32) (class, index uint32) { return v >> 24, v & 0x00ffffff }

// unpackInterface splits an interface of a sample that is not expanded: 2 bits of format, 30 of value.
func unpackInterface(v uint32) (format, value uint32) { return v >> 30, v & 0x3fffffff }
