package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ezscale/platform/internal/fault"
)

func TestFieldsTellAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	var fields fault.Fields
	if err := fields.Err(); err != nil {
		t.Fatalf("no faults, yet %v", err)
	}
	fields.Check(true, "name", "is fine")
	fields.Check(false, "email", "is not an address")
	fields.Add("prefixes[0]", "%q is not a prefix", "x")
	err := fields.Err()
	want := `the input is not valid; email: is not an address; prefixes[0]: "x" is not a prefix`
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if !fault.Is(fmt.Errorf("wrapped: %w", err), fault.Invalid) {
		t.Error("a wrapped fault must keep its kind")
	}
}

func TestIsRefusesOtherErrors(t *testing.T) {
	t.Parallel()
	if fault.Is(errors.New("plain"), fault.Invalid) || fault.Is(fault.New(fault.Conflict, "c", "m"), fault.Invalid) {
		t.Error("only a fault of that kind is of that kind")
	}
}
