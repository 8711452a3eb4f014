package netflow

import "errors"

// Code says why a datagram or a set was refused. It is an error; its text is short and fit for a metric label.
type Code uint8

// All codes. The first group refuses the whole datagram, the second one set of it or what is left of one.
const (
	codeNone Code = iota

	ErrTruncated // the datagram ends before what its header announces
	ErrOversized // more bytes than MaxDatagramBytes
	ErrVersion   // not version 5, 9 or 10
	ErrLength    // an IPFIX length shorter than its header

	ErrSet       // a set's length is shorter than its header or overruns the datagram
	ErrTemplate  // a template overruns its set, has a reserved id, or its records would have no length
	ErrFields    // a template of more than MaxFields fields
	ErrSamplers  // no room for another sampler
	ErrRecord    // a field of variable length overruns its set
	ErrRecords   // more than MaxRecords records in one datagram
	ErrMismatch  // data that waited for a template and does not fit the one that came
	ErrReference // goflow2 refused what the walk accepts

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
	case ErrLength:
		return "length"
	case ErrSet:
		return "set"
	case ErrTemplate:
		return "template"
	case ErrFields:
		return "fields"
	case ErrSamplers:
		return "samplers"
	case ErrRecord:
		return "record"
	case ErrRecords:
		return "records"
	case ErrMismatch:
		return "mismatch"
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
