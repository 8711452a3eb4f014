package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// ErrUnknown says that an event's type or schema version is not one of ours.
var ErrUnknown = errors.New("unknown event")

// All gives one zero value of each event and version there is, in the order of the contexts.
func All() []Event {
	return []Event{
		CustomerRegistered{}, CustomerChanged{}, PersonRegistered{}, PersonChanged{}, MembershipChanged{}, ContactChanged{}, LinkRequested{}, RegistrationRepeated{},
		CredentialChanged{}, SessionOpened{}, SignInRefused{}, ApplicationAllowed{}, ClientChanged{},
		PlanCreated{}, PlanChanged{},
		ServiceCreated{}, ServicePlanChanged{},
		ExporterRegistered{}, ExporterChanged{},
		PrefixAssigned{}, PrefixReleased{}, QuotaThresholdReached{}, UsageRemetered{},
		PortBound{}, PortReleased{}, QuarantineReleased{}, QuarantineRejected{}, PortReconciliationOff{}, PortReconciled{},
		CycleOpened{}, CycleEnded{}, CycleSnapshotTaken{}, CycleRated{}, CycleClosed{},
		InvoiceFinalised{},
	}
}

// Decode reads a payload as the event of a type and version. Fields that it does not know are ignored: they
// are from a newer writer. Errors: ErrUnknown, or the JSON's.
func Decode(eventType string, version int, payload []byte) (Event, error) {
	for _, e := range All() {
		if e.Type() != eventType || e.SchemaVersion() != version {
			continue
		}
		value := reflect.New(reflect.TypeOf(e))
		if err := json.Unmarshal(payload, value.Interface()); err != nil {
			return nil, fmt.Errorf("read %s version %d: %w", eventType, version, err)
		}
		return value.Elem().Interface().(Event), nil
	}
	return nil, fmt.Errorf("%s version %d: %w", eventType, version, ErrUnknown)
}
