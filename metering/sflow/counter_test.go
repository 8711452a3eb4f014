package sflow

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func ethernetReading() CounterSample {
	c := reading()
	c.HasEthernet = true
	c.Ethernet = EthernetCounters{21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33}
	c.Name = "xe-0/0/7"
	return c
}

// decodeCounters decodes one counter sample of the given records with each decoder, which must agree.
func decodeCounters(t testing.TB, records func(*Encoder)) *Decoder {
	t.Helper()
	var e Encoder
	c := reading()
	e.Start(header4())
	e.CounterSample(&c, false)
	records(&e)
	b := e.Finish()
	reference := Decoder{reference: true}
	if err := reference.Decode(b); err != nil {
		t.Fatal(err)
	}
	d := decode(t, b)
	if reference.Rejects[ErrReference] == 0 && !same(d, &reference) {
		t.Fatalf("walker %+v, goflow2 %+v", d.Datagram, reference.Datagram)
	}
	return d
}

func interfaceRecord(e *Encoder) { e.Record(recordIfCounters, make([]byte, ifCountersBytes)) }

func nameRecord(name string) func(*Encoder) {
	return func(e *Encoder) {
		body := append(word(uint32(len(name))), name...)
		e.Record(recordPortName, append(body, 0, 0, 0)[:padded(len(body))]) // goflow2 knows no padding behind a record
	}
}

func TestCounterRecords(t *testing.T) {
	t.Parallel()
	ethernet := func(bytes int) func(*Encoder) {
		return func(e *Encoder) {
			body := make([]byte, 60)
			for i := range 13 {
				binary.BigEndian.PutUint32(body[4*i:], uint32(21+i))
			}
			e.Record(recordEthernetCounters, body[:bytes])
		}
	}
	for name, tc := range map[string]struct {
		records  []func(*Encoder)
		readings int
		ethernet bool
		port     string
		skipped  int
	}{
		"nothing beside":           {[]func(*Encoder){interfaceRecord}, 1, false, "", 0},
		"Ethernet behind":          {[]func(*Encoder){interfaceRecord, ethernet(52)}, 1, true, "", 0},
		"Ethernet before":          {[]func(*Encoder){ethernet(52), interfaceRecord}, 1, true, "", 0},
		"Ethernet alone":           {[]func(*Encoder){ethernet(52)}, 0, false, "", 0},
		"Ethernet of a later time": {[]func(*Encoder){interfaceRecord, ethernet(60)}, 1, true, "", 0},
		"Ethernet cut":             {[]func(*Encoder){interfaceRecord, ethernet(48)}, 1, false, "", 1},
		"name":                     {[]func(*Encoder){interfaceRecord, nameRecord("ge0")}, 1, false, "ge0", 0},
		"name before":              {[]func(*Encoder){nameRecord("ge-0/0/1.0"), interfaceRecord}, 1, false, "ge-0/0/1.0", 0},
		"all three":                {[]func(*Encoder){nameRecord("swp1"), ethernet(52), interfaceRecord}, 1, true, "swp1", 0},
		"a LAG beside":             {[]func(*Encoder){interfaceRecord, func(e *Encoder) { e.Record(7, make([]byte, 56)) }}, 1, false, "", 1},
		"name longer than record":  {[]func(*Encoder){interfaceRecord, func(e *Encoder) { e.Record(recordPortName, word(1)) }}, 1, false, "", 1},
		"name of 2^32-1":           {[]func(*Encoder){interfaceRecord, func(e *Encoder) { e.Record(recordPortName, word(1<<32-1)) }}, 1, false, "", 1},
		"name without length":      {[]func(*Encoder){interfaceRecord, func(e *Encoder) { e.Record(recordPortName, nil) }}, 1, false, "", 1},
		"empty name":               {[]func(*Encoder){interfaceRecord, nameRecord("")}, 1, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := decodeCounters(t, func(e *Encoder) {
				for _, record := range tc.records {
					record(e)
				}
			})
			if d.CounterSamples != 1 || len(d.Counters) != tc.readings || d.Skipped != tc.skipped {
				t.Fatalf("%+v", d.Datagram)
			}
			for _, c := range d.Counters {
				if c.HasEthernet != tc.ethernet || c.Name != tc.port {
					t.Errorf("%+v", c)
				}
				if want := ethernetReading().Ethernet; tc.ethernet && c.Ethernet != want {
					t.Errorf("Ethernet (-want +got):\n%s", cmp.Diff(want, c.Ethernet))
				}
			}
		})
	}
}

func TestPortNames(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"Ethernet1/1 to Köln":              "Ethernet1/1 to Köln",
		strings.Repeat("x", 64):            strings.Repeat("x", 64),
		strings.Repeat("x", 300):           strings.Repeat("x", 64),
		strings.Repeat("x", 63) + "ö":      strings.Repeat("x", 63),
		strings.Repeat("x", 61) + "🐙":      strings.Repeat("x", 61),
		strings.Repeat("\x80", 65):         "",
		"with\x00zero":                     "",
		"two\nlines":                       "",
		"half a rune \xc3":                 "",
		strings.Repeat("x", 62) + "\u0301": strings.Repeat("x", 62) + "\u0301",
	} {
		d := decodeCounters(t, func(e *Encoder) { interfaceRecord(e); nameRecord(given)(e) })
		if len(d.Counters) != 1 || d.Counters[0].Name != want {
			t.Errorf("%q: %+v, want %q", given, d.Counters, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOf(rapid.Byte()).Draw(t, "name")
		name := portName(given, rapid.String().Draw(t, "last"))
		if len(name) > MaxNameBytes || !utf8.ValidString(name) || !strings.HasPrefix(string(given), name) {
			t.Fatalf("%q of %q", name, given)
		}
	})
}

// TestNameAllocatedOnce holds that an agent's names are allocated when they are new, and stay when the datagram goes.
func TestNameAllocatedOnce(t *testing.T) {
	var e Encoder
	one, two := ethernetReading(), ethernetReading()
	two.Name = "xe-0/0/8"
	e.Start(header4())
	e.Counters(&one, false)
	e.Counters(&two, true)
	b := e.Finish()
	d := decode(t, b)
	if allocs := testing.AllocsPerRun(100, func() { _ = d.Decode(b) }); allocs != 0 {
		t.Errorf("%v allocations a run", allocs)
	}
	clear(b)
	if diff := cmp.Diff([]CounterSample{one, two}, d.Counters); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}
