// Package element knows the information elements that a meter reads of NetFlow version 9 and IPFIX records: their numbers,
// and what their values say. A template's fields become slots once; then each record's values are put into the slots and
// asked for by name.
package element

// Field is one field of a template.
type Field struct {
	Enterprise uint32 // 0: IANA's elements
	ID         uint16
	Length     uint16 // bytes; Variable: the length stands before each value
}

// Variable is the length of a field whose values have lengths of their own.
const Variable = 65535

// Elements, by IANA's numbers. Version 9's field types have the same.
const (
	Octets           = 1
	Packets          = 2
	Protocol         = 4
	SrcIPv4          = 8
	Input            = 10
	DstIPv4          = 12
	Output           = 14
	EndUptime        = 21
	StartUptime      = 22
	OutOctets        = 23
	OutPackets       = 24
	SrcIPv6          = 27
	DstIPv6          = 28
	SamplingInterval = 34
	SamplerID        = 48
	SamplerInterval  = 50
	IPVersion        = 60
	Direction        = 61
	OctetsTotal      = 85
	PacketsTotal     = 86
	TemplateID       = 145
	StartSeconds     = 150
	EndSeconds       = 151
	StartMillis      = 152
	EndMillis        = 153
	StartMicros      = 154
	EndMicros        = 155
	StartNanos       = 156
	EndNanos         = 157
	StartDelta       = 158
	EndDelta         = 159
	SystemInit       = 160
	DurationMillis   = 161
	DurationMicros   = 162
	InitiatorOctets  = 231
	ResponderOctets  = 232
	PhysicalInput    = 252
	PhysicalOutput   = 253
	InitiatorPackets = 298
	ResponderPackets = 299
	SelectorID       = 302
	PacketInterval   = 305
	PacketSpace      = 306
	SamplingSize     = 309
	Population       = 310
	Probability      = 311
	ObservedMillis   = 323
	L2Octets         = 352
)

// Reverse is the enterprise of RFC 5103: the same elements, of a flow's other direction.
const Reverse = 29305
