package pcap

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/envelope"
)

// formatVersion is part of each producer's id. Change it with anything that cuts envelopes otherwise.
const formatVersion = "ezscale pcap replay 1\n"

// producer numbers one exporter's envelopes.
type producer struct {
	header    envelope.Header
	partition int
	sequence  uint64
	writer    envelope.Writer
	opened    uint64 // number of the opening that the writer is in; 0: none
}

// opening is a producer's envelope that is being filled.
type opening struct {
	producer *producer
	number   uint64
	at       int64 // packing time
}

// packer cuts datagrams into envelopes by the file's times alone. Its time is that of the newest packet of the file,
// whoever sent it, so that one exporter's envelopes do not depend on which others are registered.
type packer struct {
	producers map[uuid.UUID]*producer
	open      []opening // oldest first
	openings  uint64
	now       int64
	emit      func(p *producer, value []byte, datagrams int) error
}

// identify gives a producer its name: the same for the same datagrams of the same file.
func identify(file [32]byte, share Share) envelope.Header {
	h := sha256.New()
	h.Write([]byte(formatVersion))
	h.Write(file[:])
	h.Write(share.Exporter[:])
	h.Write(share.digest[:])
	sum := h.Sum(nil)
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562, version 8
	boot := int64(binary.BigEndian.Uint64(sum[16:]) >> 1)
	return envelope.Header{Collector: id, Boot: boot, Exporter: share.Exporter}
}

// tick lets the packing time move to that of a packet, and seals what has been open for long enough.
func (p *packer) tick(at int64) error {
	p.now = max(p.now, at)
	for len(p.open) > 0 && p.now-p.open[0].at >= int64(window) {
		oldest := p.open[0]
		p.open = p.open[1:]
		if oldest.producer.opened != oldest.number {
			continue // was full before
		}
		if err := p.seal(oldest.producer); err != nil {
			return err
		}
	}
	return nil
}

// add puts a datagram into its exporter's envelope.
func (p *packer) add(k *sources.Known, d envelope.Datagram) error {
	producer := p.producers[k.ID]
	if producer.opened == 0 {
		p.begin(producer)
	}
	if producer.writer.Append(d) {
		return nil
	}
	if err := p.seal(producer); err != nil {
		return err
	}
	p.begin(producer)
	producer.writer.Append(d) // an empty envelope takes any datagram
	return nil
}

func (p *packer) begin(one *producer) {
	p.openings++
	one.opened = p.openings
	one.writer.Reset(nil, one.header, 0)
	p.open = append(p.open, opening{one, one.opened, p.now})
}

func (p *packer) seal(one *producer) error {
	one.opened = 0
	one.sequence++
	n := one.writer.Count()
	return p.emit(one, one.writer.Seal(one.sequence), n)
}

// finish seals what is open.
func (p *packer) finish() error {
	for _, o := range p.open {
		if o.producer.opened != o.number {
			continue
		}
		if err := p.seal(o.producer); err != nil {
			return err
		}
	}
	p.open = nil
	return nil
}
