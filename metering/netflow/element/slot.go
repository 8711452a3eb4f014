package element

// Version 9 numbers the scopes of its options apart from its fields.
const (
	scopeInterface = 2
	scopeTemplate  = 5
	scopesOwn      = 5 // up to here; above, devices use field types
)

// Slot is where a value of a record is kept while it is read.
type Slot uint8

const (
	SlotNone Slot = iota
	SlotSrcIPv4
	SlotDstIPv4
	SlotSrcIPv6
	SlotDstIPv6
	SlotOctets
	SlotPackets
	SlotOctetsTotal
	SlotPacketsTotal
	SlotOutOctets
	SlotOutPackets
	SlotInitiatorOctets
	SlotInitiatorPackets
	SlotResponderOctets
	SlotResponderPackets
	SlotReverseOctets
	SlotReversePackets
	SlotReverseOctetsTotal
	SlotReversePacketsTotal
	SlotL2Octets
	SlotProtocol
	SlotIPVersion
	SlotDirection
	SlotInput
	SlotOutput
	SlotPhysicalInput
	SlotPhysicalOutput
	SlotSampler
	SlotInterval
	SlotSamplerInterval
	SlotPacketInterval
	SlotPacketSpace
	SlotSize
	SlotPopulation
	SlotProbability
	SlotStartUptime
	SlotEndUptime
	SlotStartSeconds
	SlotEndSeconds
	SlotStartMilliseconds
	SlotEndMilliseconds
	SlotStartMicroseconds
	SlotEndMicroseconds
	SlotStartNanoseconds
	SlotEndNanoseconds
	SlotStartDelta
	SlotEndDelta
	SlotSystemInit
	SlotDurationMilliseconds
	SlotDurationMicroseconds
	SlotObservedMilliseconds
	SlotScopeInterface
	SlotScopeTemplate

	slotCount
)

// Of tells where a field's value goes; SlotNone for what a meter does not read.
func Of(f Field) Slot {
	switch f.Enterprise {
	case 0:
		if s := flow(f.ID); s != SlotNone {
			return s
		}
		if s := times(f.ID); s != SlotNone {
			return s
		}
		return sampling(f.ID)
	case Reverse:
		return reverse(f.ID)
	}
	return SlotNone
}

func flow(element uint16) Slot {
	switch element {
	case SrcIPv4:
		return SlotSrcIPv4
	case DstIPv4:
		return SlotDstIPv4
	case SrcIPv6:
		return SlotSrcIPv6
	case DstIPv6:
		return SlotDstIPv6
	case Protocol:
		return SlotProtocol
	case IPVersion:
		return SlotIPVersion
	case Direction:
		return SlotDirection
	case Input:
		return SlotInput
	case Output:
		return SlotOutput
	case PhysicalInput:
		return SlotPhysicalInput
	case PhysicalOutput:
		return SlotPhysicalOutput
	}
	return counter(element)
}

func counter(element uint16) Slot {
	switch element {
	case Octets:
		return SlotOctets
	case Packets:
		return SlotPackets
	case OctetsTotal:
		return SlotOctetsTotal
	case PacketsTotal:
		return SlotPacketsTotal
	case OutOctets:
		return SlotOutOctets
	case OutPackets:
		return SlotOutPackets
	case InitiatorOctets:
		return SlotInitiatorOctets
	case InitiatorPackets:
		return SlotInitiatorPackets
	case ResponderOctets:
		return SlotResponderOctets
	case ResponderPackets:
		return SlotResponderPackets
	case L2Octets:
		return SlotL2Octets
	}
	return SlotNone
}

func reverse(element uint16) Slot {
	switch element {
	case Octets:
		return SlotReverseOctets
	case Packets:
		return SlotReversePackets
	case OctetsTotal:
		return SlotReverseOctetsTotal
	case PacketsTotal:
		return SlotReversePacketsTotal
	}
	return SlotNone
}

func times(element uint16) Slot {
	switch element {
	case StartUptime:
		return SlotStartUptime
	case EndUptime:
		return SlotEndUptime
	case SystemInit:
		return SlotSystemInit
	case DurationMillis:
		return SlotDurationMilliseconds
	case DurationMicros:
		return SlotDurationMicroseconds
	case ObservedMillis:
		return SlotObservedMilliseconds
	}
	if element >= StartSeconds && element <= EndDelta {
		return SlotStartSeconds + Slot(element-StartSeconds) // both run through the units in pairs
	}
	return SlotNone
}

func sampling(element uint16) Slot {
	switch element {
	case SamplerID, SelectorID:
		return SlotSampler
	case SamplingInterval:
		return SlotInterval
	case SamplerInterval:
		return SlotSamplerInterval
	case PacketInterval:
		return SlotPacketInterval
	case PacketSpace:
		return SlotPacketSpace
	case SamplingSize:
		return SlotSize
	case Population:
		return SlotPopulation
	case Probability:
		return SlotProbability
	}
	return SlotNone
}

// OfScope tells where the value of an option's scope goes. Version 9 numbers its scopes apart from its fields.
func OfScope(v9 bool, f Field) Slot {
	if v9 && f.ID <= scopesOwn {
		switch f.ID {
		case scopeInterface:
			return SlotScopeInterface
		case scopeTemplate:
			return SlotScopeTemplate
		}
		return SlotNone
	}
	if f.Enterprise != 0 {
		return SlotNone
	}
	switch f.ID {
	case Input, Output, PhysicalInput, PhysicalOutput:
		return SlotScopeInterface
	case TemplateID:
		return SlotScopeTemplate
	case SamplerID, SelectorID:
		return SlotSampler
	}
	return SlotNone
}
