package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/command/audit"
)

// fields cuts an encoding back into its fields; nil stands for null.
func fields(t interface{ Fatalf(string, ...any) }, b []byte) [][]byte {
	var all [][]byte
	for len(b) > 0 {
		if len(b) < 8 {
			t.Fatalf("%d bytes are left over", len(b))
		}
		n := binary.BigEndian.Uint64(b)
		b = b[8:]
		if n == ^uint64(0) {
			all = append(all, nil)
			continue
		}
		if uint64(len(b)) < n {
			t.Fatalf("a field of %d bytes in %d", n, len(b))
		}
		all = append(all, append([]byte{}, b[:n]...))
		b = b[n:]
	}
	return all
}

func drawRow(t *rapid.T) audit.Row {
	text := rapid.StringN(0, 20, 60)
	id := rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	})
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(-1e15, 1e16).Draw(t, "microseconds")).UTC()
	})
	return audit.Row{
		ID: rapid.Int64().Draw(t, "id"), TxID: rapid.Uint64().Draw(t, "txid"), At: at.Draw(t, "at"), RecordedAt: rapid.Ptr(at, true).Draw(t, "recorded"),
		Actor: text.Draw(t, "actor"), Command: text.Draw(t, "command"), AggregateType: text.Draw(t, "type"), AggregateID: id.Draw(t, "aggregate"),
		Personal: audit.Personal{Salt: rapid.Ptr(id, true).Draw(t, "salt"), RequestID: rapid.Ptr(text, true).Draw(t, "request"), IP: rapid.Ptr(text, true).Draw(t, "ip"),
			UserAgent: rapid.Ptr(text, true).Draw(t, "agent"), Input: rapid.Ptr(text, true).Draw(t, "input"), Outcome: rapid.Ptr(text, true).Draw(t, "outcome"),
			Before: rapid.Ptr(text, true).Draw(t, "before"), After: rapid.Ptr(text, true).Draw(t, "after")},
	}
}

// An encoding can be read back, so no two rows have the same one.
func TestEncodingIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row, n := drawRow(t), rapid.Int64Min(1).Draw(t, "n")
		commitment := row.Personal.Commitment()
		got := fields(t, row.Encode(n, commitment))
		if len(got) != 11 {
			t.Fatalf("%d fields", len(got))
		}
		number := func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
		back := audit.Row{ID: number(got[2]), TxID: uint64(number(got[3])), At: time.UnixMicro(number(got[4])).UTC(),
			Actor: string(got[6]), Command: string(got[7]), AggregateType: string(got[8]), AggregateID: uuid.UUID(got[9]), Personal: row.Personal}
		if got[5] != nil {
			recorded := time.UnixMicro(number(got[5])).UTC()
			back.RecordedAt = &recorded
		}
		if string(got[0]) != "ezscale audit row 1" || number(got[1]) != n || !reflect.DeepEqual(back, row) || !bytes.Equal(got[10], commitment[:]) {
			t.Fatalf("got %+v at %d, want %+v at %d", back, number(got[1]), row, n)
		}
	})
}

// Two rows that differ anywhere, personal fields included, differ in their hash; so do a row at two places.
func TestDifferentRowsHaveDifferentHashes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRow(t), drawRow(t)
		if rapid.Bool().Draw(t, "alike") { // rows of which one field differs, at most
			c := a
			from, to := reflect.ValueOf(b), reflect.ValueOf(&c).Elem()
			i := rapid.IntRange(0, from.NumField()-1).Draw(t, "field")
			to.Field(i).Set(from.Field(i))
			b = c
		}
		m, n := rapid.Int64Range(1, 3).Draw(t, "m"), rapid.Int64Range(1, 3).Draw(t, "n")
		same := reflect.DeepEqual(a, b) && m == n
		if equal := a.Next(audit.Hash{}, m, a.Personal.Commitment()) == b.Next(audit.Hash{}, n, b.Personal.Commitment()); equal != same {
			t.Fatalf("hashes equal: %v, rows equal: %v", equal, same)
		}
		if (a.Personal.Commitment() == b.Personal.Commitment()) != reflect.DeepEqual(a.Personal, b.Personal) {
			t.Fatal("commitments are equal and the personal fields are not, or the other way round")
		}
	})
}

// What is between two fields cannot move, and null is not empty.
func TestNeighboursDoNotRunTogether(t *testing.T) {
	t.Parallel()
	empty := ""
	one, two := audit.Row{Actor: "ab", Command: "c"}, audit.Row{Actor: "a", Command: "bc"}
	if bytes.Equal(one.Encode(1, audit.Hash{}), two.Encode(1, audit.Hash{})) {
		t.Error("ab|c and a|bc are the same")
	}
	if (audit.Personal{IP: &empty}).Commitment() == (audit.Personal{UserAgent: &empty}).Commitment() || (audit.Personal{IP: &empty}).Commitment() == (audit.Personal{}).Commitment() {
		t.Error("null is empty")
	}
}

// The bytes are written down for ever: a chain that was sealed must be verifiable by every later version. The hash was
// worked out by another program from the package comment.
func TestTheBytesStay(t *testing.T) {
	t.Parallel()
	salt, request, input := uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"), "request-1", `{"a": 1}`
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	row := audit.Row{ID: 7, TxID: 801, At: at, RecordedAt: &at, Actor: "staff:token", Command: "catalog.ChangePlan", AggregateType: "plan",
		AggregateID: uuid.MustParse("01020304-0506-0708-090a-0b0c0d0e0f10"), Personal: audit.Personal{Salt: &salt, RequestID: &request, Input: &input}}
	hash := row.Next(audit.Hash{}, 1, row.Personal.Commitment())
	const want = `"bd7dfb2e8c3592e6db437671338d1cfcb60f07f97b7700c0d7fc16328de3cbbc"`
	if got, _ := json.Marshal(audit.Head{Hash: hash, Key: ed25519.PublicKey{}}); !bytes.Contains(got, []byte(want)) {
		t.Errorf("the first hash of a known row is not %s: %s", want, got)
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := audit.Sign(key, 42, audit.Hash{1, 2, 3}, time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC))
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var back audit.Head
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !back.IsSigned() || !reflect.DeepEqual(back, h) {
		t.Errorf("%s is read as %+v", text, back)
	}
	for name, spoil := range map[string]func(*audit.Head){
		"sequence": func(h *audit.Head) { h.Sequence++ }, "hash": func(h *audit.Head) { h.Hash[31] ^= 1 },
		"time": func(h *audit.Head) { h.At = h.At.Add(time.Microsecond) }, "signature": func(h *audit.Head) { h.Signature = bytes.Repeat([]byte{1}, 64) },
		"key": func(h *audit.Head) { h.Key = nil },
	} {
		spoiled := back
		spoil(&spoiled)
		if spoiled.IsSigned() {
			t.Errorf("another %s is signed too", name)
		}
	}
	for _, bad := range []string{`{}`, `[]`, `{"sequence":1,"at":"2026-01-02T03:04:05Z","hash":"00","key":"00","signature":"00"}`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s is a head", bad)
		}
	}
}
