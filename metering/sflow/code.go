package sflow

import "errors"

// Code says why a datagram or a sample was refused. It is an error; its text is short and fit for a metric label.
type Code uint8

// All codes. The first group refuses the whole datagram, the second one sample of it.
const (
	codeNone Code = iota

	ErrTruncated // the datagram ends before what it announces
	ErrOversized // more bytes than MaxDatagramBytes
	ErrVersion   // not sFlow version 5
	ErrAgent     // the agent's address is neither IPv4 nor IPv6

	ErrSample      // the sample is shorter than its fixed part
	ErrRecord      // a record overruns its sample, or is shorter than its format
	ErrHeader      // a raw packet header longer than its record
	ErrFrameLength // no frame is that long, or that short
	ErrReference   // goflow2 refused what the walker accepts

	codeCount
)

// Error gives the code's short text.
func (c Code) Error() string {
	switch c {
	case ErrTruncated:
		return "truncated"
	case ErrOversized:
		return "oversized"
	case ErrVersion:
		return "version"
	case ErrAgent:
		return "agent"
	case ErrSample:
		return "sample"
	case ErrRecord:
		return "record"
	case ErrHeader:
		return "header"
	case ErrFrameLength:
		return "frame_length"
	case ErrReference:
		return "goflow2"
	default:
		return "unknown"
	}
}

// Codes lists every code there is, for metrics that want all their series from the start.
func Codes() []Code {
	codes := make([]Code, 0, codeCount-1)
	for c := codeNone + 1; c < codeCount; c++ {
		codes = append(codes, c)
	}
	return codes
}

// Reason gives the short text of the code in err, or "unknown" where there is none.
func Reason(err error) string {
	var c Code
	errors.As(err, &c)
	return c.Error()
}
