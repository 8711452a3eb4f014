package sflow

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// seeds are datagrams built here and those of the captures, where there are any.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	return append(captures(t), everything(agent4()), everything(agent6()), sevenFlows())
}

// captures are the datagrams of all captures that may be sFlow.
func captures(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	dir := filepath.Join(root(t), "..", "shared", "captures")
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // where there are none, there are none
		}
		name := filepath.ToSlash(path)
		if !strings.Contains(name, "sflow") && !strings.Contains(name, "gopacket") && !strings.Contains(name, "SFlow") {
			return nil
		}
		if b, err := os.ReadFile(path); err == nil && len(b) > 64 {
			all = append(all, datagrams(t, name, b)...)
		}
		return nil
	})
	return all
}

// FuzzDecode holds that no input makes the decoder panic, allocate out of proportion, or see what an earlier one left.
func FuzzDecode(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Add(binary.BigEndian.AppendUint32(nil, version5))
	var used Decoder
	f.Fuzz(func(t *testing.T, b []byte) {
		var fresh Decoder
		err := fresh.Decode(b)
		checkResult(t, &fresh, b, err)
		checkSize(t, &fresh, len(b))
		if again := used.Decode(b); again != err {
			t.Fatalf("error %v from a used decoder, %v from a fresh one", again, err)
		}
		if !same(&fresh, &used) {
			t.Fatalf("a used decoder gives %+v, a fresh one %+v", used.Datagram, fresh.Datagram)
		}
	})
}

// checkSize bounds what one datagram can make a fresh decoder allocate: 64 KiB, and five bytes a byte above 13 KiB.
func checkSize(t testing.TB, d *Decoder, n int) {
	t.Helper()
	size := cap(d.Flows)*int(unsafe.Sizeof(FlowSample{})) + cap(d.Counters)*int(unsafe.Sizeof(CounterSample{}))
	if size > max(64<<10, 5*n) {
		t.Fatalf("%d bytes allocated for a datagram of %d", size, n)
	}
}

func same(a, b *Decoder) bool {
	x, y := a.Datagram, b.Datagram
	if len(x.Flows) != len(y.Flows) || len(x.Counters) != len(y.Counters) {
		return false
	}
	for i := range x.Flows {
		if x.Flows[i] != y.Flows[i] {
			return false
		}
	}
	for i := range x.Counters {
		if x.Counters[i] != y.Counters[i] {
			return false
		}
	}
	x.Flows, y.Flows, x.Counters, y.Counters = nil, nil, nil, nil
	return reflect.DeepEqual(x, y)
}

// FuzzDifferential holds that goflow2 agrees on every sample that the walker accepts; see New for where it may not.
func FuzzDifferential(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	environment := newEnvironment(f)
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, environment, b) })
}
