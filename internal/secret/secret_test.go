package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/ezscale/platform/internal/secret"
)

const canary = "hunter2-canary"

type login struct {
	User     string
	Password secret.Text
	hidden   secret.Text
	Old      []secret.Text
	ByName   map[string]secret.Text
	Maybe    *secret.Text
}

func (l login) Hidden() secret.Text { return l.hidden }

// Whatever prints a secret, or what holds one, must not show it.
func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(canary)
	holder := login{User: "a", Password: s, hidden: s, Old: []secret.Text{s}, ByName: map[string]secret.Text{"a": s}, Maybe: &s}
	for _, value := range []any{s, &s, holder, &holder, []login{holder}, fmt.Errorf("refused: %v", s)} {
		for _, verb := range "vsqxXdbotTeEfFgGcUp" {
			for _, flags := range []string{"%", "%+", "%#", "% ", "%40"} {
				if text := fmt.Sprintf(flags+string(verb), value); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
					t.Errorf("%s%c of %T shows the secret: %s", flags, verb, value, text)
				}
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "value", value, "s", slog.AnyValue(value))
		if strings.Contains(log.String(), canary) {
			t.Errorf("slog shows the secret of %T: %s", value, log.String())
		}
		text, err := json.Marshal(value)
		if err != nil || strings.Contains(string(text), canary) {
			t.Errorf("JSON of %T: %s, %v", value, text, err)
		}
	}
	if got := fmt.Sprintf("%s %v %#v %d %s", s, s, s, s, s.String()); got != strings.TrimSpace(strings.Repeat(secret.Redacted+" ", 5)) {
		t.Errorf("printed %s", got)
	}
}

func TestTextKeepsItsSecret(t *testing.T) {
	t.Parallel()
	var in struct {
		A secret.Text `json:"a"`
		B secret.Text `json:"b,omitzero"`
	}
	if err := json.Unmarshal([]byte(`{"a":"`+canary+`"}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.A.Reveal() != canary || in.B.Reveal() != "" {
		t.Errorf("revealed %q and %q", in.A.Reveal(), in.B.Reveal())
	}
	out, err := json.Marshal(in)
	if want := `{"a":"[redacted]"}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	cases := []struct {
		a, b string
		want bool
	}{{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "", false}, {"a", "aa", false}}
	for _, c := range cases {
		if got := secret.New(c.a).Equal(secret.New(c.b)); got != c.want {
			t.Errorf("%q and %q: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if !(secret.Text{}).IsZero() || !secret.New("").IsZero() || secret.New("a").IsZero() {
		t.Error("only the empty secret is zero")
	}
}

// A secret that is given to a query by mistake must fail it: neither the secret nor "[redacted]" may get into a column.
func TestNoDriverStoresASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(canary)
	for _, oid := range []uint32{pgtype.TextOID, pgtype.VarcharOID, pgtype.ByteaOID} {
		for _, format := range []int16{pgtype.TextFormatCode, pgtype.BinaryFormatCode} {
			for _, value := range []any{s, &s} {
				if b, err := pgtype.NewMap().Encode(oid, format, value, nil); !errors.Is(err, secret.ErrNotStored) {
					t.Errorf("type %d, format %d: %q, %v", oid, format, b, err)
				}
			}
		}
	}
}
