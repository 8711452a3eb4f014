package command

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"reflect"
	"strings"
	"sync"
)

const maxDepth = 16 // of nested input types

// shapes remembers which fields of a command's type are secret. It holds one entry per command type.
type shapes struct{ known sync.Map }

// shape says where in a command's JSON the redacted fields are, and whether it has fields of type Secret.
type shape struct {
	redacted [][]string // JSON names; "*" stands for every element
	secrets  bool
}

func (s *shapes) of(t reflect.Type) *shape {
	if known, ok := s.known.Load(t); ok {
		return known.(*shape)
	}
	found := &shape{}
	found.explore(t, nil, 0)
	s.known.Store(t, found)
	return found
}

func (s *shape) explore(t reflect.Type, path []string, depth int) {
	if t == reflect.TypeFor[Secret]() {
		s.secrets = true
		return
	}
	if depth > maxDepth {
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		s.explore(t.Elem(), path, depth+1)
	case reflect.Slice, reflect.Array, reflect.Map:
		s.explore(t.Elem(), append(path[:len(path):len(path)], "*"), depth+1)
	case reflect.Struct:
		for i := range t.NumField() {
			s.exploreField(t.Field(i), path, depth)
		}
	}
}

// jsonName is a field's name in JSON.
func jsonName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return f.Name
}

func (s *shape) exploreField(f reflect.StructField, path []string, depth int) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if !f.IsExported() && !f.Anonymous || name == "-" {
		return
	}
	inner := path
	if !f.Anonymous || name != "" {
		if name == "" {
			name = f.Name
		}
		inner = append(path[:len(path):len(path)], name)
	}
	if f.Tag.Get("audit") == "redact" {
		s.redacted = append(s.redacted, inner)
		return
	}
	s.explore(f.Type, inner, depth+1)
}

// redact writes over the redacted fields of a command's JSON. Absent and null ones stay so.
func (s *shape) redact(input []byte) ([]byte, error) {
	if len(s.redacted) == 0 {
		return input, nil
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	for _, path := range s.redacted {
		value = redactAt(value, path)
	}
	return json.Marshal(value)
}

func redactAt(value any, path []string) any {
	if value == nil {
		return nil
	}
	if len(path) == 0 {
		return Redacted
	}
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			if path[0] == "*" || path[0] == name {
				v[name] = redactAt(v[name], path[1:])
			}
		}
	case []any:
		for i := range v {
			v[i] = redactAt(v[i], path[1:])
		}
	}
	return value
}

// hash is of all that makes two inputs different, the secrets included, which the JSON hides.
func (s *shape) hash(name string, input []byte, command any) [32]byte {
	h := sha256.New()
	h.Write([]byte(name + "\n"))
	h.Write(input)
	if s.secrets {
		hashSecrets(h, reflect.ValueOf(command), 0)
	}
	return [32]byte(h.Sum(nil))
}

func hashSecrets(h hash.Hash, v reflect.Value, depth int) {
	if depth > maxDepth {
		return
	}
	if v.IsValid() && v.Type() == reflect.TypeFor[Secret]() {
		if v.CanInterface() { // an unexported field is not input
			sum := sha256.Sum256([]byte(v.Interface().(Secret).Reveal()))
			h.Write(sum[:])
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		hashSecrets(h, v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			hashSecrets(h, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			hashSecrets(h, v.Field(i), depth+1)
		}
	}
}
