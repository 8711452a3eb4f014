package pcap

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/pcap/capture"
)

const sflowPort = 6343

// found is a packet of the file, and its datagram if it is to be replayed.
type found struct {
	at       int64 // of the packet; 0 when the file does not tell
	exporter *sources.Known
	datagram envelope.Datagram
	source   Source // of an unknown source: its address
	offset   int64  // bytes of the file read so far
	unknown  bool
	other    bool // to another port
}

// reading is one pass over the file.
type reading struct {
	counts capture.Counts
	size   int64
	cut    bool
	digest [32]byte
}

// walk reads the file and calls each for every packet, in order.
func (r *Replay) walk(ctx context.Context, each func(*found) error) (reading, error) {
	file, err := r.cfg.Open()
	if err != nil {
		return reading{}, err
	}
	defer file.Close()
	digest := sha256.New()
	in := io.TeeReader(file, digest)
	reader, err := capture.NewReader(in)
	if err != nil {
		return reading{}, err
	}
	extractor := capture.NewExtractor()
	cut, err := r.packets(ctx, reader, extractor, each)
	if err != nil {
		return reading{}, err
	}
	extractor.Finish()
	if _, err := io.Copy(io.Discard, in); err != nil {
		return reading{}, fmt.Errorf("read the capture: %w", err)
	}
	return reading{counts: extractor.Counts, size: reader.Offset(), cut: cut, digest: [32]byte(digest.Sum(nil))}, nil
}

func (r *Replay) packets(ctx context.Context, reader *capture.Reader, extractor *capture.Extractor, each func(*found) error) (cut bool, err error) {
	var f found
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		packet, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case errors.Is(err, capture.ErrCut):
			return true, nil
		case err != nil:
			return false, err
		}
		f = found{at: packet.At, offset: reader.Offset()}
		if d, ok := extractor.Datagram(packet); ok {
			r.match(&f, d)
		}
		if err := each(&f); err != nil {
			return false, err
		}
	}
}

// match finds the exporter of a datagram.
func (r *Replay) match(f *found, d capture.Datagram) {
	if !slices.Contains(r.cfg.Ports, d.Target.Port()) {
		f.other = true
		return
	}
	f.datagram = envelope.Datagram{Received: d.At, Source: d.Source, Protocol: protocolOf(d), Payload: d.Payload}
	if f.exporter = r.chosen; f.exporter == nil {
		f.exporter = sources.Choose(r.table.Group(d.Source.Addr()), f.datagram.Protocol, d.Payload)
	}
	if f.exporter == nil {
		f.unknown, f.source.Address = true, d.Source.Addr()
	}
}

// protocolOf goes by the port, as a collector does, unless the payload is sFlow version 5 at another port.
func protocolOf(d capture.Datagram) envelope.Protocol {
	const version, ipv4, ipv6 = 5, 1, 2
	if d.Target.Port() == sflowPort {
		return envelope.ProtocolSFlow
	}
	if b := d.Payload; len(b) >= 8 && binary.BigEndian.Uint32(b) == version {
		if kind := binary.BigEndian.Uint32(b[4:]); kind == ipv4 || kind == ipv6 {
			return envelope.ProtocolSFlow
		}
	}
	return envelope.ProtocolNetFlow
}
