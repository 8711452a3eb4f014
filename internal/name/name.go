// Package name is the rule for names of plans, exporters and services: they stand in URLs, files and invoices, and
// whatever has one can be looked up by it. The command line tells a fault before anything is sent, the server again;
// both ask here. The package is pure.
package name

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/google/uuid"
)

const maxLength = 100 // characters

var pattern = regexp.MustCompile(`^[\pL\pN]([\pL\pN ._:@+-]*[\pL\pN._:@+-])?$`)

// Fault says in the words after "name" what is wrong with a name, or nothing: it has 1 to 100 characters, letters,
// digits and a few signs, begins with a letter or digit, does not end with a blank, and is not the shape of a UUID.
func Fault(value string) string {
	switch {
	case value == "":
		return "is missing"
	case utf8.RuneCountInString(value) > maxLength:
		return fmt.Sprintf("is longer than %d characters", maxLength)
	case !pattern.MatchString(value):
		return fmt.Sprintf("%q may hold letters, digits, blanks and . _ : @ + - only, and begins with a letter or digit", value)
	case uuid.Validate(value) == nil:
		return fmt.Sprintf("%q looks like an id; give it a name", value)
	}
	return ""
}
