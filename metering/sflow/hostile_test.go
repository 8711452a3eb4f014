package sflow

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
)

const (
	maxFlips     = 2048     // bits of one datagram that are flipped, evenly spread
	maxAllocated = 64 << 10 // bytes that a fresh decoder may allocate for one datagram
	batchSize    = 16       // datagrams between two looks at what was allocated, which stop the world
)

// hostile holds that broken datagrams are refused or counted, and cost little.
type hostile struct {
	t     *testing.T
	batch [][]byte
}

func (h *hostile) add(b []byte) {
	if h.batch = append(h.batch, b); len(h.batch) == batchSize {
		h.run()
	}
}

// run decodes the batch. When all of it allocates no more than one may, none does; else each is looked at alone.
func (h *hostile) run() {
	if n := h.allocated(h.batch); n > maxAllocated {
		for i := range h.batch {
			if n := h.allocated(h.batch[i : i+1]); n > maxAllocated {
				h.t.Fatalf("%d bytes allocated for the %d of %x", n, len(h.batch[i]), h.batch[i])
			}
		}
	}
	h.batch = h.batch[:0]
}

// allocated decodes each datagram with a fresh decoder, and tells how many bytes that took.
func (h *hostile) allocated(batch [][]byte) uint64 {
	var d [batchSize]Decoder
	var errs [batchSize]error
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i, b := range batch {
		d[i].Inside = everyTunnel
		errs[i] = d[i].Decode(b)
	}
	runtime.ReadMemStats(&after)
	for i, b := range batch {
		checkResult(h.t, &d[i], b, errs[i])
	}
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostile breaks every datagram of the captures: cut at each byte, bits flipped, and each aligned word, among them
// all counts and lengths, set to 2^32-1. It runs alone, since it counts what everybody allocates.
func TestHostile(t *testing.T) {
	h := hostile{t: t}
	for _, b := range seeds(t) {
		for n := range b {
			h.add(b[:n:n])
		}
		for at := 0; at+4 <= len(b); at += 4 {
			broken := bytes.Clone(b)
			binary.BigEndian.PutUint32(broken[at:], 1<<32-1)
			h.add(broken)
		}
		bits := len(b) * 8
		for bit := 0; bit < bits; bit += (bits + maxFlips - 1) / maxFlips {
			broken := bytes.Clone(b)
			broken[bit/8] ^= 1 << (bit % 8)
			h.add(broken)
		}
	}
	h.run()
}

// TestHostileAllocation shows that the measure of TestHostile sees a decoder that believes its datagram.
func TestHostileAllocation(t *testing.T) {
	var e Encoder
	e.Start(header4())
	for e.Len()+minFlowBytes <= MaxDatagramBytes {
		s := sample(1)
		e.Flow(&s, false)
	}
	h := hostile{t: t}
	if n := h.allocated([][]byte{e.Finish()}); n <= maxAllocated {
		t.Errorf("%d bytes allocated, unseen above %d", n, maxAllocated)
	}
}
