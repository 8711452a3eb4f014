package document

import (
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// lookup finds a field, whether its path is nested objects or names with dots: both are the same to Elasticsearch.
func lookup(object map[string]any, path string) (any, bool) {
	if v, ok := object[path]; ok {
		return v, v != nil
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := object[path[:i]].(map[string]any); ok {
			if v, ok := lookup(inner, path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// first is the first field of some paths that is there; a list of one is its element.
func first(object map[string]any, paths []string) (any, bool) {
	for _, p := range paths {
		v, ok := lookup(object, p)
		if list, isList := v.([]any); isList && len(list) == 1 {
			v = list[0]
		}
		if ok && v != nil && v != "" {
			return v, true
		}
	}
	return nil, false
}

// whole reads a whole number that is not negative, from a number or from text: one field may be mapped as a long in
// one index and as a keyword in another.
func whole(v any) (uint64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = strings.TrimSpace(v)
	default:
		return 0, false
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f > 1<<53 || f != math.Trunc(f) {
		return 0, false
	}
	return uint64(f), true
}

// address reads one IP address, IPv4 unmapped.
func address(v any) (netip.Addr, bool) {
	text, ok := v.(string)
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	return a.Unmap(), err == nil && a.Zone() == ""
}

// instant reads a time: RFC 3339, or milliseconds since 1970 as a number or as text.
func instant(v any) (int64, bool) {
	if text, ok := v.(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t.UnixNano(), t.Year() >= 1970 && t.Year() < 2262
		}
	}
	ms, ok := whole(v)
	if !ok || ms > math.MaxInt64/uint64(time.Millisecond) {
		return 0, false
	}
	return int64(ms) * int64(time.Millisecond), true
}
