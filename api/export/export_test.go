package export_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/api/export"
)

type hidden struct {
	Key string `json:"-"`
}

type reasons map[string]int64

func (r reasons) String() string { return fmt.Sprintf("bad: %d", r["bad"]) }

type row struct {
	hidden
	ID      uuid.UUID  `json:"id"`
	Zulu    string     `json:"zulu"` // not in the order of the alphabet
	Bytes   int64      `json:"bytes"`
	Bound   *float64   `json:"bound"`
	At      time.Time  `json:"at"`
	Until   *time.Time `json:"until"`
	Owner   *string    `json:"owner,omitempty"`
	Flag    bool       `json:"flag"`
	Reasons reasons    `json:"reasons"`
}

// read is a row as a reader of the Parquet file declares it.
type read struct {
	ID      string     `parquet:"id"`
	Zulu    string     `parquet:"zulu"`
	Bytes   int64      `parquet:"bytes"`
	Bound   *float64   `parquet:"bound,optional"`
	At      time.Time  `parquet:"at,timestamp(microsecond)"`
	Until   *time.Time `parquet:"until,optional,timestamp(microsecond)"`
	Owner   *string    `parquet:"owner,optional"`
	Flag    bool       `parquet:"flag"`
	Reasons string     `parquet:"reasons"`
}

func of[T any](v T) *T { return &v }

var id = uuid.MustParse("00000000-0000-0000-0000-00000000000a")

func write[T any](t *testing.T, format export.Format, rows ...T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w, err := export.New[T](format, &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func rows() []row {
	at := time.Date(2026, 3, 10, 12, 0, 0, 5000, time.UTC)
	return []row{
		{ID: id, Zulu: "=cmd|' /C calc'!A0", Bytes: 9_007_199_254_740_993, Bound: of(0.000001), At: at, Until: &at, Owner: of("+1"), Flag: true, Reasons: reasons{"bad": 3}},
		{ID: id, Zulu: "a \"b\",\nc", Bytes: -5, At: at.In(time.FixedZone("", 3600))},
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	want := "id,zulu,bytes,bound,at,until,owner,flag,reasons\r\n" +
		"00000000-0000-0000-0000-00000000000a,'=cmd|' /C calc'!A0,9007199254740993,0.000001,2026-03-10T12:00:00.000005Z,2026-03-10T12:00:00.000005Z,'+1,true,bad: 3\r\n" +
		"00000000-0000-0000-0000-00000000000a,\"a \"\"b\"\",\r\nc\",-5,,2026-03-10T12:00:00.000005Z,,,false,bad: 0\r\n"
	if diff := cmp.Diff(want, write(t, export.CSV, rows()...).String()); diff != "" {
		t.Error(diff)
	}
	if got := write[row](t, export.CSV).String(); got != "id,zulu,bytes,bound,at,until,owner,flag,reasons\r\n" {
		t.Errorf("without rows: %q", got)
	}
}

// Whatever a name is, a spreadsheet shows it and computes nothing, and a reader of CSV gets it back.
func TestTextIsNeverAFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[=+\-@\t]{1,3}.{0,9}`)).Filter(func(s string) bool { return !strings.ContainsAny(s, "\r\n") }).Draw(t, "name")
		var out bytes.Buffer
		w, err := export.New[row](export.CSV, &out)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(row{Zulu: name}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		cells, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got := cells[1][1]
		if strings.HasPrefix(got, "=") || strings.HasPrefix(got, "+") || strings.HasPrefix(got, "-") || strings.HasPrefix(got, "@") || strings.HasPrefix(got, "\t") {
			t.Fatalf("%q begins as a formula", got)
		}
		if got != name && got != "'"+name {
			t.Fatalf("got %q of %q", got, name)
		}
	})
}

func TestParquetIsReadBack(t *testing.T) {
	t.Parallel()
	file := write(t, export.Parquet, rows()...)
	at := time.Date(2026, 3, 10, 12, 0, 0, 5000, time.UTC)
	want := []read{
		{ID: id.String(), Zulu: "=cmd|' /C calc'!A0", Bytes: 9_007_199_254_740_993, Bound: of(0.000001), At: at, Until: &at, Owner: of("+1"), Flag: true, Reasons: "bad: 3"},
		{ID: id.String(), Zulu: "a \"b\",\nc", Bytes: -5, At: at, Reasons: "bad: 0"},
	}
	got, err := parquet.Read[read](bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	opened, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range opened.Schema().Fields() {
		names = append(names, f.Name())
	}
	if diff := cmp.Diff([]string{"id", "zulu", "bytes", "bound", "at", "until", "owner", "flag", "reasons"}, names); diff != "" {
		t.Errorf("columns in their order: %s", diff)
	}
}

func TestManyRowsAreSeveralGroups(t *testing.T) {
	t.Parallel()
	const many = 120_001
	var out bytes.Buffer
	w, err := export.New[row](export.Parquet, &out)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(many) {
		if err := w.Write(row{Bytes: i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil || file.NumRows() != many || len(file.RowGroups()) != 3 {
		t.Fatalf("%d rows in %d groups: %v", file.NumRows(), len(file.RowGroups()), err)
	}
	reader := parquet.NewGenericReader[read](file)
	defer reader.Close()
	var sum, n int64
	for batch := make([]read, 1000); ; {
		read, err := reader.Read(batch)
		for _, r := range batch[:read] {
			sum += r.Bytes
		}
		if n += int64(read); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n != many || sum != many*(many-1)/2 {
		t.Errorf("%d rows, sum %d", n, sum)
	}
}

func TestWhatHasNoCellsIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := export.New[struct {
		List []int64 `json:"list"`
	}](export.CSV, io.Discard); err == nil {
		t.Error("a list in a cell")
	}
	if _, err := export.New[int64](export.CSV, io.Discard); err == nil {
		t.Error("rows that are numbers")
	}
	if _, err := export.New[row]("xlsx", io.Discard); err == nil {
		t.Error("an unknown format")
	}
}
