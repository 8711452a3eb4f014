package passkey

import (
	"errors"
	"fmt"
	"slices"
)

// Why an answer was refused. What is wrapped around and inside them is for the log; clients learn that it was refused.
var (
	// ErrCeremony is of a ceremony that has expired, is of another kind, person or relying party, or cannot be read.
	ErrCeremony = errors.New("the passkey ceremony is over or is another one")
	// ErrMalformed is of an answer that is too large or cannot be read.
	ErrMalformed = errors.New("the passkey answer cannot be read")
	// ErrOrigin is of an answer that was made on another page, inside another page, or for another relying party.
	ErrOrigin = errors.New("the passkey answer was made for another origin")
	// ErrUserVerification is of an answer without PIN, finger or face.
	ErrUserVerification = errors.New("the passkey answer was given without user verification")
	// ErrUnknownCredential is of a passkey that nobody has here, or that was not among those asked for. A Find returns it.
	ErrUnknownCredential = errors.New("the passkey is not known")
	// ErrHandle is of a passkey that belongs to somebody else than its answer, or the ceremony, says.
	ErrHandle = errors.New("the passkey is of another person")
	// ErrCloned is of a counter that did not grow: see ClonedError.
	ErrCloned = errors.New("the passkey may have been copied")
	// ErrVerification is of an answer that is wrong in anything else: challenge, signature, flags, key or attestation.
	ErrVerification = errors.New("the passkey answer is not valid")
)

// Why a ceremony does not begin.
var (
	// ErrTooMany is of a person who has MaxCredentials already.
	ErrTooMany = errors.New("the person has as many passkeys as one may have")
	// ErrNone is of a person who has no passkey to answer with.
	ErrNone = errors.New("the person has no passkey")
)

// Refused tells refusals, which are the client's, from errors of ours, as when Find could not ask the database.
func Refused(err error) bool {
	reasons := []error{ErrCeremony, ErrMalformed, ErrOrigin, ErrUserVerification, ErrUnknownCredential, ErrHandle, ErrCloned, ErrVerification}
	return slices.ContainsFunc(reasons, func(reason error) bool { return errors.Is(err, reason) })
}

// ClonedError is ErrCloned and whose passkey it is. Everything else about the answer was right, so that somebody has its
// key: note it at the credential, tell its owner, and refuse.
type ClonedError struct {
	Handle     Handle
	Credential Credential // as it is stored
	SignCount  uint32     // as it was answered
}

func (e *ClonedError) Error() string {
	return fmt.Sprintf("%v: it counted %d and now %d", ErrCloned, e.Credential.SignCount, e.SignCount)
}

// Unwrap makes it ErrCloned.
func (*ClonedError) Unwrap() error { return ErrCloned }
