package netflow_test

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/ezscale/platform/metering/netflow"
	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/export"
	"github.com/ezscale/platform/metering/netflow/template"
)

func words(values ...uint16) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

// hostile are datagrams that say what is not so, and what each must be counted as.
func hostile() map[string]struct {
	b     []byte
	want  netflow.Code
	flows int // that are sound beside it
} {
	const nine, ten = netflow.Version9, netflow.IPFIX
	sound := addressed(element.Octets, 4)
	with := func(version uint16, write func(*export.Encoder)) []byte {
		return build(head(version), func(e *export.Encoder) {
			e.Template(sound)
			write(e)
			e.Values(sound, 1, 2, 100)
		})
	}
	set := func(version, id uint16, body ...uint16) []byte {
		return with(version, func(e *export.Encoder) { e.Set(id, words(body...)) })
	}
	lying := func(version uint16, length uint16) []byte {
		return build(head(version), func(e *export.Encoder) {
			e.Template(sound)
			e.Values(sound, 1, 2, 100)
			e.Set(300, nil)
			b := e.Finish()
			binary.BigEndian.PutUint16(b[len(b)-2:], length)
		})
	}
	many := template.Template{ID: 400, Fields: slices.Repeat([]element.Field{{ID: 1, Length: 1}}, 2000)}
	manyOptions := template.Template{ID: 400, Options: true, Scopes: 1, Fields: many.Fields}
	type c = struct {
		b     []byte
		want  netflow.Code
		flows int
	}
	return map[string]c{
		"v9 template of 65535 fields":     {set(nine, 0, 400, 65535, 1, 4), netflow.ErrTemplate, 1},
		"IPFIX template of 65535 fields":  {set(ten, 2, 400, 65535, 1, 4), netflow.ErrTemplate, 1},
		"v9 options of 65532 bytes":       {set(nine, 1, 400, 65532, 65532, 1, 4), netflow.ErrTemplate, 1},
		"IPFIX options of 65535 scopes":   {set(ten, 3, 400, 1, 65535, 1, 4), netflow.ErrTemplate, 1},
		"v9 options of odd lengths":       {set(nine, 1, 400, 5, 3, 1, 4, 1, 4), netflow.ErrTemplate, 1},
		"thousands of fields":             {with(ten, func(e *export.Encoder) { e.Template(many) }), netflow.ErrFields, 1},
		"thousands of fields in v9":       {with(nine, func(e *export.Encoder) { e.Template(many) }), netflow.ErrFields, 1},
		"thousands of options":            {with(ten, func(e *export.Encoder) { e.Template(manyOptions) }), netflow.ErrFields, 1},
		"records of no length":            {set(ten, 2, 400, 2, 1, 0, 2, 0), netflow.ErrTemplate, 1},
		"no fields in v9":                 {set(nine, 0, 400, 0), netflow.ErrTemplate, 1},
		"a template with a reserved id":   {set(ten, 2, 255, 1, 1, 4), netflow.ErrTemplate, 1},
		"a withdrawal with a reserved id": {set(ten, 2, 255, 0), netflow.ErrTemplate, 1},
		"an enterprise beyond the set":    {set(ten, 2, 400, 1, 0x8001, 4), netflow.ErrTemplate, 1},
		"options cut in their head":       {set(ten, 3, 400, 1), netflow.ErrTemplate, 1},
		"a set of length 0":               {lying(nine, 0), netflow.ErrSet, 1},
		"a set of length 3":               {lying(ten, 3), netflow.ErrSet, 1},
		"a set beyond the datagram":       {lying(ten, 65535), netflow.ErrSet, 1},
		"a v9 set beyond the datagram":    {lying(nine, 65535), netflow.ErrSet, 1},
		"a variable length beyond the set": {with(ten, func(e *export.Encoder) {
			e.Template(export.Of(400, 82, 65535, element.Octets, 4))
			e.Set(400, []byte{200, 1, 2, 3, 4, 5})
		}), netflow.ErrRecord, 1},
		"a long variable length beyond the set": {with(ten, func(e *export.Encoder) {
			e.Template(export.Of(400, 82, 65535, element.Octets, 4))
			e.Set(400, []byte{255, 255, 255, 3, 4, 5})
		}), netflow.ErrRecord, 1},
		"more records than a datagram may have": {build(head(ten), func(e *export.Encoder) {
			e.Template(export.Of(400, element.Octets, 1))
			e.Set(400, make([]byte, netflow.MaxRecords+4))
		}), netflow.ErrRecords, netflow.MaxRecords},
	}
}

// TestHostile holds that a bad set costs only itself, is counted by its reason, and makes nothing large.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, c := range hostile() {
		got := decode(t, netflow.New(), c.b)
		checkResult(t, got)
		if got.Rejects[c.want] != 1 || got.Rejected != 1 || len(got.Records) != c.flows {
			t.Errorf("%s: %d rejected, %v, %d records", name, got.Rejected, got.Rejects, len(got.Records))
		}
		if ipfix := got.Version == netflow.IPFIX; got.StepKnown == (ipfix && (c.want == netflow.ErrSet || c.want == netflow.ErrRecord || c.want == netflow.ErrRecords)) {
			t.Errorf("%s: step known %v", name, got.StepKnown)
		}
	}
}

// TestPadding passes over zeros, of which some exporters send a packet full.
func TestPadding(t *testing.T) {
	t.Parallel()
	tpl := addressed(element.Octets, 4)
	for name, write := range map[string]func(*export.Encoder){
		"behind templates":     func(e *export.Encoder) { e.Set(2, append(words(400, 1, 1, 4), make([]byte, 12)...)) },
		"behind data":          func(e *export.Encoder) { e.Set(300, append(words(0, 1, 0, 2, 0, 100), make([]byte, 11)...)) },
		"unknown sets":         func(e *export.Encoder) { e.Set(4, make([]byte, 100)); e.Set(255, nil) },
		"a set without record": func(e *export.Encoder) { e.Set(300, nil) },
	} {
		got := decode(t, netflow.New(), build(head(netflow.IPFIX), func(e *export.Encoder) { e.Template(tpl); write(e); e.Values(tpl, 1, 2, 3) }))
		if got.Rejected != 0 || len(got.Records) == 0 || got.WithoutTemplate != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	zeroes := append(build(head(netflow.Version9), func(e *export.Encoder) { e.Template(tpl); e.Values(tpl, 1, 2, 3) }), make([]byte, 1200)...)
	if got := decode(t, netflow.New(), zeroes); got.Rejected != 0 || len(got.Records) != 1 {
		t.Errorf("a packet of zeros: %+v", got)
	}
	lies := build(head(netflow.Version9), func(e *export.Encoder) { e.Template(tpl); e.Values(tpl, 1, 2, 3) })
	for _, count := range []uint16{0, 1, 65535} {
		binary.BigEndian.PutUint16(lies[2:], count)
		if got := decode(t, netflow.New(), lies); got.Rejected != 0 || len(got.Records) != 1 {
			t.Errorf("count %d: %+v", count, got)
		}
	}
}

// outputBytes is what a result takes.
func outputBytes(d *netflow.Datagram) int {
	n := cap(d.Records) * int(unsafe.Sizeof(netflow.Record{}))
	for i := range d.Recovered {
		n += outputBytes(&d.Recovered[i]) + int(unsafe.Sizeof(netflow.Datagram{}))
	}
	return n
}

// TestAllocationIsBounded measures all that a datagram makes a decoder allocate. Counts that lie cost nothing: beyond the
// result there are 64 KiB, and for each byte of data that is there what goflow2 makes of it, 48 bytes for a field at
// most, in pieces of one record. Growing the result by quarters costs five times as much.
func TestAllocationIsBounded(t *testing.T) { // not parallel: it reads the process's counters
	const perByte = 64
	cases := map[string][]byte{}
	for name, c := range hostile() {
		cases[name] = c.b
	}
	tiny := export.Of(400, slices.Repeat([]uint16{element.Octets, 1}, 200)...)
	cases["a field a byte"] = build(head(netflow.IPFIX), func(e *export.Encoder) { e.Template(tiny); e.Set(400, make([]byte, 60_000)) })
	cases["a datagram of templates"] = build(head(netflow.IPFIX), func(e *export.Encoder) {
		for i := range uint16(6000) {
			e.Template(export.Of(256+i, element.Octets, 1))
		}
	})
	cases["a datagram of withdrawals"] = build(head(netflow.IPFIX), func(e *export.Encoder) {
		for i := range uint16(16_000) {
			e.Withdraw(256+i, false)
		}
	})
	for name, b := range cases {
		d := netflow.New()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := d.Decode(source(), received, b)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lies := len(b) < 9000 && len(got.Records) < 100
		limit := 64<<10 + 6*outputBytes(got)
		if !lies {
			limit += perByte * len(b)
		}
		if n := int(after.TotalAlloc - before.TotalAlloc); n > limit {
			t.Errorf("%s: %d bytes allocated for a datagram of %d, at most %d", name, n, len(b), limit)
		}
	}
}
