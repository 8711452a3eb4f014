// Package fault is the one error type that crosses the house's rooms: a kind that a machine acts on, a code
// that a client may match, a sentence that a person reads. api maps kinds to HTTP; nothing else does.
// Anything that is not a *fault.Error is internal and is shown to nobody.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what the caller can do about an error.
type Kind string

const (
	Invalid     Kind = "invalid"     // mend the input
	NotFound    Kind = "not_found"   // there is no such thing, or it is not yours
	Conflict    Kind = "conflict"    // the thing has changed, or exists already
	Forbidden   Kind = "forbidden"   // not with your rights
	Unavailable Kind = "unavailable" // try again later
)

// Field is one fault of one input field. Name is its path in the input: "prefixes[0].prefix".
type Field struct {
	Name    string
	Message string
}

// Error is a fault. Code is stable and lower_snake_case.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	Fields  []Field
	Cause   error
}

func (e *Error) Error() string {
	parts := make([]string, 0, len(e.Fields)+1)
	parts = append(parts, e.Message)
	for _, f := range e.Fields {
		parts = append(parts, f.Name+": "+f.Message)
	}
	return strings.Join(parts, "; ")
}

func (e *Error) Unwrap() error { return e.Cause }

// New makes a fault with a formatted message.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Is tells whether err is or wraps a fault of the kind.
func Is(err error, kind Kind) bool {
	var f *Error
	return errors.As(err, &f) && f.Kind == kind
}

// Fields gathers the faults of one input, so that all are told at once.
type Fields []Field

// Add notes a fault of a field.
func (f *Fields) Add(name, format string, args ...any) {
	*f = append(*f, Field{Name: name, Message: fmt.Sprintf(format, args...)})
}

// Check adds a fault unless ok.
func (f *Fields) Check(ok bool, name, format string, args ...any) {
	if !ok {
		f.Add(name, format, args...)
	}
}

// Err is nil when nothing was added.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Code: "invalid_input", Message: "the input is not valid", Fields: f}
}
