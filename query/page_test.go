package query_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
)

func FuzzDecodeCursor(f *testing.F) {
	f.Add(query.EncodeCursor("a"), 1)
	f.Add(query.EncodeCursor("2026-01-01T00:00:00Z", "x"), 2)
	f.Add("WyJhXHUwMDAwIl0", 1)
	f.Add("bnVsbA", 0)
	f.Fuzz(func(t *testing.T, cursor string, n int) {
		key, err := query.DecodeCursor(cursor, n)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%v is no fault of the input", err)
			}
			return
		}
		if cursor == "" {
			return
		}
		again, err := query.DecodeCursor(query.EncodeCursor(key...), n)
		if err != nil || cmp.Diff(key, again) != "" {
			t.Fatalf("%q came back as %q (%v)", key, again, err)
		}
	})
}

func TestCutTellsWhetherThereIsMore(t *testing.T) {
	t.Parallel()
	key := func(s string) []string { return []string{s} }
	full := query.Cut(query.Page{Limit: 2}, []string{"a", "b"}, key)
	more := query.Cut(query.Page{Limit: 2}, []string{"a", "b", "c"}, key)
	if full.NextCursor != "" || len(full.Items) != 2 || len(more.Items) != 2 {
		t.Errorf("full %+v, more %+v", full, more)
	}
	if after, err := (query.Page{Cursor: more.NextCursor}).TextAfter(); err != nil || *after != "b" {
		t.Errorf("after %v (%v)", after, err)
	}
}

func TestTheZeroScopeOwnsNothing(t *testing.T) {
	t.Parallel()
	if owner := (query.Scope{}).Owner(); owner == nil || owner.String() != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("the zero scope is of %v", owner)
	}
	if query.Staff().Owner() != nil {
		t.Error("staff sees everything")
	}
}
