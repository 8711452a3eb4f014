// Package check holds what the handlers of several contexts ask of their input, so that a name or a prefix is
// the same thing everywhere and its faults read the same. Faults name the field by its path in the input's JSON.
package check

import (
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/name"
)

const (
	maxTextLength  = 200 // characters
	maxEmailLength = 254 // RFC 5321, path without brackets
)

// Name asks for a name that can be looked up, see package name.
func Name(fields *fault.Fields, path, value string) {
	if wrong := name.Fault(value); wrong != "" {
		fields.Add(path, "%s", wrong)
	}
}

// Text asks for a line that people read: 1 to 200 characters, none of them a control character.
func Text(fields *fault.Fields, path, value string) {
	switch {
	case strings.TrimSpace(value) == "":
		fields.Add(path, "is missing")
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		fields.Add(path, "holds characters that cannot be printed")
	case utf8.RuneCountInString(value) > maxTextLength:
		fields.Add(path, "is longer than %d characters", maxTextLength)
	}
}

// Email asks for a bare mail address, without a name or brackets around it.
func Email(fields *fault.Fields, path, value string) {
	address, err := mail.ParseAddress(value)
	fields.Check(err == nil && address.Address == value && len(value) <= maxEmailLength, path, "%q is not a mail address", value)
}

// StatusActive is the status of people and accounts that nothing is in the way of; the others are suspended and banned.
const StatusActive = "active"

// Status asks for a status of a person or an account.
func Status(fields *fault.Fields, path, value string) {
	fields.Check(slices.Contains([]string{StatusActive, "suspended", "banned"}, value), path, "%q is none of active, suspended and banned", value)
}

// ID asks for an id.
func ID(fields *fault.Fields, path string, id uuid.UUID) {
	fields.Check(id != uuid.Nil, path, "is missing")
}

// At asks for the time at which an order is given that lives by the machine's clock: field "at".
func At(fields *fault.Fields, at time.Time) {
	fields.Check(!at.IsZero(), "at", "is missing")
}

// Prefix asks for an address prefix without host bits: "10.20.0.0/24", "2001:db8::/48", "10.20.0.1/32".
func Prefix(fields *fault.Fields, path, value string) netip.Prefix {
	p, err := netip.ParsePrefix(value)
	switch {
	case err != nil && isAddress(value):
		fields.Add(path, "%q is an address; write %s", value, host(value))
	case err != nil:
		fields.Add(path, "%q is not an address prefix such as 10.20.0.0/24 or 2001:db8::/48", value)
	case p.Addr().Is4In6():
		fields.Add(path, "%q is an IPv4 address written as IPv6; write it as IPv4", value)
	case p.Masked() != p:
		fields.Add(path, "%q has bits set after the prefix; write %s", value, p.Masked())
	case p.Bits() == 0:
		fields.Add(path, "%q is every address there is", value)
	default:
		return p
	}
	return netip.Prefix{}
}

func isAddress(value string) bool {
	_, err := netip.ParseAddr(value)
	return err == nil
}

func host(value string) string {
	addr := netip.MustParseAddr(value).Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()).String()
}

// Instant is t as Postgres keeps it: UTC, whole microseconds. An event says exactly what the row says.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
