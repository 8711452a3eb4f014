package envelope

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

const (
	// FlowSize is the length of one flow, in bytes.
	FlowSize = 96
	// MaxFlowBytes bounds the bytes of one flow: 1 PiB is a mistake, not traffic.
	MaxFlowBytes = 1 << 50
)

// Side tells where an exporter has seen a flow.
type Side uint8

// The sides.
const (
	SideUnknown Side = 0
	SideIngress Side = 1
	SideEgress  Side = 2
)

// Flow is one flow that another system has decoded and scaled: its bytes and packets are estimates of the traffic
// itself, whatever the rate was.
type Flow struct {
	Start, End       int64      // Unix nanoseconds, half open; equal for a moment
	Src, Dst         netip.Addr // IPv4 unmapped
	BytesL2, BytesL3 uint64     // scaled; both the same when only one is known
	Packets          uint64     // scaled
	Rate             uint32     // 0 not known, 1 unsampled
	Input, Output    uint32     // ifIndex, 0 not known
	Side             Side
	Document         uint64 // hash of the document's id
}

// Check tells what is wrong with a flow that Parse would refuse: ErrFlow, or nil.
func (f Flow) Check() error {
	switch {
	case f.End < f.Start:
		return fmt.Errorf("%w: it ends before it starts", ErrFlow)
	case f.BytesL2 > MaxFlowBytes || f.BytesL3 > MaxFlowBytes:
		return fmt.Errorf("%w: it has more than %d bytes", ErrFlow, uint64(MaxFlowBytes))
	case f.Packets > MaxFlowBytes:
		return fmt.Errorf("%w: it has more than %d packets", ErrFlow, uint64(MaxFlowBytes))
	case f.Side > SideEgress:
		return fmt.Errorf("%w: side %d", ErrFlow, f.Side)
	case !f.Src.IsValid() || !f.Dst.IsValid():
		return fmt.Errorf("%w: an address is missing", ErrFlow)
	case f.Src.Zone() != "" || f.Dst.Zone() != "":
		return fmt.Errorf("%w: an address has a zone", ErrFlow)
	}
	return nil
}

// AppendFlow adds a flow to an envelope of flows; false when it is full. A flow that Check refuses is not taken: an error.
func (w *Writer) AppendFlow(f Flow) (bool, error) {
	if err := f.Check(); err != nil {
		return false, err
	}
	size := len(w.buf) + FlowSize
	if w.kind() != KindFlows || size > MaxSize || (size > w.limit && w.count > 0) {
		return false, nil
	}
	src, dst := f.Src.As16(), f.Dst.As16()
	b := binary.LittleEndian.AppendUint64(w.buf, uint64(f.Start))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.End))
	b = append(append(b, src[:]...), dst[:]...)
	b = binary.LittleEndian.AppendUint64(b, f.BytesL2)
	b = binary.LittleEndian.AppendUint64(b, f.BytesL3)
	b = binary.LittleEndian.AppendUint64(b, f.Packets)
	b = binary.LittleEndian.AppendUint32(b, f.Rate)
	b = binary.LittleEndian.AppendUint32(b, f.Input)
	b = binary.LittleEndian.AppendUint32(b, f.Output)
	b = append(b, byte(f.Side), 0, 0, 0)
	w.buf = binary.LittleEndian.AppendUint64(b, f.Document)
	w.count++
	return true, nil
}

// NextFlow takes the next flow off a body of flows; false at its end, and for another kind. It allocates nothing.
func (b *Body) NextFlow() (Flow, bool) {
	if b.kind != KindFlows || len(b.rest) < FlowSize {
		return Flow{}, false
	}
	f := readFlow(b.rest)
	b.rest = b.rest[FlowSize:]
	return f, true
}

func readFlow(r []byte) Flow {
	return Flow{
		Start:    int64(binary.LittleEndian.Uint64(r)),
		End:      int64(binary.LittleEndian.Uint64(r[8:])),
		Src:      netip.AddrFrom16([16]byte(r[16:32])).Unmap(),
		Dst:      netip.AddrFrom16([16]byte(r[32:48])).Unmap(),
		BytesL2:  binary.LittleEndian.Uint64(r[48:]),
		BytesL3:  binary.LittleEndian.Uint64(r[56:]),
		Packets:  binary.LittleEndian.Uint64(r[64:]),
		Rate:     binary.LittleEndian.Uint32(r[72:]),
		Input:    binary.LittleEndian.Uint32(r[76:]),
		Output:   binary.LittleEndian.Uint32(r[80:]),
		Side:     Side(r[84]),
		Document: binary.LittleEndian.Uint64(r[88:]),
	}
}

// checkFlows looks at every flow.
func (b Body) checkFlows() error {
	for rest, n := b.rest, 0; len(rest) > 0; rest, n = rest[FlowSize:], n+1 {
		if len(rest) < FlowSize {
			return fmt.Errorf("flow %d: %w", n, ErrShort)
		}
		if rest[85]|rest[86]|rest[87] != 0 {
			return fmt.Errorf("flow %d: %w", n, ErrReserved)
		}
		if err := readFlow(rest).Check(); err != nil {
			return fmt.Errorf("flow %d: %w", n, err)
		}
	}
	return nil
}
