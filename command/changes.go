package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Change is an object before and after a command: two values of one struct type. The audit row gets the fields that
// differ, by their JSON names, secrets and fields with the tag `audit:"redact"` as "[redacted]". An answer embeds it;
// it is not part of the answer's JSON. The zero value says that nothing changed.
type Change struct {
	Before any `json:"-"`
	After  any `json:"-"`
}

// Changed lets what embeds a change be a Changed.
func (c Change) Changed() Change { return c }

// changesOf gives the two sides of what an answer says it changed, as JSON; nil: nothing did.
func changesOf(result any, shapes *shapes) (before, after []byte, err error) {
	changed, ok := result.(Changed)
	if !ok {
		return nil, nil, nil
	}
	change := changed.Changed()
	if change.Before == nil || change.After == nil {
		return nil, nil, nil
	}
	if reflect.TypeOf(change.Before) != reflect.TypeOf(change.After) {
		return nil, nil, fmt.Errorf("%T became %T", change.Before, change.After)
	}
	was, err := fieldsOf(change.Before)
	if err != nil {
		return nil, nil, err
	}
	is, err := fieldsOf(change.After)
	if err != nil {
		return nil, nil, err
	}
	hidden := differentSecrets(reflect.ValueOf(change.Before), reflect.ValueOf(change.After))
	dropEqual(was, is, hidden)
	if len(was) == 0 && len(is) == 0 {
		return nil, nil, nil
	}
	shape := shapes.of(reflect.TypeOf(change.Before))
	if before, err = shape.encode(was); err != nil {
		return nil, nil, err
	}
	after, err = shape.encode(is)
	return before, after, err
}

func fieldsOf(object any) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	return fields, json.Unmarshal(text, &fields)
}

// dropEqual leaves what differs, and what differs only where JSON does not show it.
func dropEqual(was, is map[string]json.RawMessage, hidden map[string]bool) {
	for name, value := range was {
		if other, ok := is[name]; ok && bytes.Equal(value, other) && !hidden[name] {
			delete(was, name)
			delete(is, name)
		}
	}
}

// differentSecrets names the top fields that hold another secret than before: their JSON is the same.
func differentSecrets(before, after reflect.Value) map[string]bool {
	different := map[string]bool{}
	if before.Kind() != reflect.Struct {
		return different
	}
	for i := range before.NumField() {
		f := before.Type().Field(i)
		if f.Type != reflect.TypeFor[Secret]() || !f.IsExported() {
			continue
		}
		was, is := before.Field(i).Interface().(Secret), after.Field(i).Interface().(Secret)
		if was.Reveal() != is.Reveal() {
			different[jsonName(f)] = true
		}
	}
	return different
}

func (s *shape) encode(fields map[string]json.RawMessage) ([]byte, error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return s.redact(text)
}
