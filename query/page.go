package query

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/ezscale/platform/internal/fault"
)

// Page bounds of every list.
const (
	DefaultLimit = 50
	MaxLimit     = 500

	maxCursorBytes = 2048
)

// Page is one cut of a list: at most Limit items after the place that Cursor names. Empty means from the start.
type Page struct {
	Limit  int
	Cursor string
}

// Rows is how many rows to ask for: one more than the page holds, which tells whether there is a next one.
func (p Page) Rows() int { return p.limit() + 1 }

func (p Page) limit() int {
	if p.Limit <= 0 {
		return DefaultLimit
	}
	return min(p.Limit, MaxLimit)
}

// List is a page of items in a fixed order. NextCursor is empty on the last page.
type List[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Give it as cursor to get the next page; absent on the last one"`
}

// Cut makes a page of rows fetched with Page.Rows; key gives the ordering key of the last item kept.
func Cut[T any](p Page, rows []T, key func(T) []string) List[T] {
	if len(rows) <= p.limit() {
		return List[T]{Items: rows}
	}
	rows = rows[:p.limit()]
	return List[T]{Items: rows, NextCursor: EncodeCursor(key(rows[len(rows)-1])...)}
}

// EncodeCursor packs the ordering key of a list's last item.
func EncodeCursor(key ...string) string {
	text, _ := json.Marshal(key) // strings always marshal
	return base64.RawURLEncoding.EncodeToString(text)
}

// DecodeCursor unpacks a key of n parts; nil for the empty cursor. What EncodeCursor did not make is a fault of
// kind Invalid. A forged cursor can only start a list elsewhere: scope is not in it.
func DecodeCursor(cursor string, n int) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	if len(cursor) > maxCursorBytes {
		return nil, badCursor()
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, badCursor()
	}
	var key []string
	if err := json.Unmarshal(text, &key); err != nil || len(key) != n {
		return nil, badCursor()
	}
	for _, part := range key {
		if strings.ContainsRune(part, 0) { // which no Postgres text can hold
			return nil, badCursor()
		}
	}
	return key, nil
}

// TextAfter is the parameter of a list ordered by one unique text: nil for the first page.
func (p Page) TextAfter() (*string, error) {
	key, err := DecodeCursor(p.Cursor, 1)
	if err != nil || key == nil {
		return nil, err
	}
	return &key[0], nil
}

// TimeAfter is the parameter pair of a list ordered by time and an id as text: nil for the first page.
func (p Page) TimeAfter() (*time.Time, *string, error) {
	key, err := DecodeCursor(p.Cursor, 2)
	if err != nil || key == nil {
		return nil, nil, err
	}
	at, err := time.Parse(time.RFC3339Nano, key[0])
	if err != nil {
		return nil, nil, badCursor()
	}
	return &at, &key[1], nil
}

// TimeKey is the cursor key that TimeAfter reads.
func TimeKey(at time.Time, id string) []string {
	return []string{at.UTC().Format(time.RFC3339Nano), id}
}

func badCursor() error {
	var fields fault.Fields
	fields.Add("cursor", "is not a cursor of this list")
	return fields.Err()
}
