// Package capture reads UDP datagrams out of capture files: classic pcap (micro- and nanoseconds, both byte
// orders) and pcapng, of Ethernet, Linux cooked (SLL, SLL2), loopback and raw IP links, with IP fragments put
// together. It reads a stream, keeps no more than one packet and a bounded number of fragments, and has no clock.
//
// Why a reader of our own and not gopacket's: what is needed is three file headers and four link headers; the
// library brings a decoder of every protocol with it. A file comes from anywhere, so every length is bounded
// before it is believed, and the reader is fuzzed.
//
// Promises. The same file always gives the same datagrams. Every packet is accounted for: it gave a datagram, was
// joined to another as a fragment, or was skipped for a reason that is counted.
//
// Sources: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng, the link-layer types of tcpdump.org, RFC 791,
// RFC 768, RFC 8200, RFC 5722 (overlapping fragments).
package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of a file, in bytes.
const (
	maxPacket = 512 << 10 // of one packet; longer ones make the file damaged
	maxBlock  = 16 << 20  // of a pcapng block that is skipped

	readAhead = 256 << 10
)

// What a file may have wrong.
var (
	ErrFormat  = errors.New("not a capture file: neither pcap nor pcapng")
	ErrDamaged = errors.New("the capture file is damaged")
	ErrCut     = errors.New("the capture file ends inside a packet")
)

// LinkType says what a packet begins with. Numbers are those of tcpdump.org.
type LinkType uint32

// Packet is one captured frame. Data is overwritten by the next one.
type Packet struct {
	At   int64 // Unix nanoseconds; 0 when the file does not tell
	Link LinkType
	Data []byte
}

// format reads the packets of one kind of file.
type format interface {
	next(r *Reader) (Packet, error)
}

// Reader reads packets in the order of the file.
type Reader struct {
	in     *bufio.Reader
	offset int64
	format format
	buffer []byte
}

// NewReader looks at the beginning of a file. Error: ErrFormat, or what reading gave.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, readAhead)}
	magic, err := r.in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return nil, fmt.Errorf("%w: it is compressed with gzip, unpack it first", ErrFormat)
	case binary.BigEndian.Uint32(magic) == blockSection:
		r.format = &pcapng{}
	default:
		r.format, err = newClassic(r)
	}
	return r, err
}

// Next gives the next packet; io.EOF at the end. After ErrCut or ErrDamaged there is nothing more to read.
func (r *Reader) Next() (Packet, error) { return r.format.next(r) }

// Offset is how many bytes of the file have been read.
func (r *Reader) Offset() int64 { return r.offset }

// read reads n bytes, which stay valid until the next read. first says that the file may end before them.
func (r *Reader) read(n int, first bool) ([]byte, error) {
	if cap(r.buffer) < n {
		r.buffer = make([]byte, n+n/2)
	}
	b := r.buffer[:n]
	got, err := io.ReadFull(r.in, b)
	r.offset += int64(got)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, io.EOF) && first:
		return nil, io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, ErrCut
	}
	return nil, fmt.Errorf("read the capture: %w", err)
}

func (r *Reader) skip(n int64) error {
	got, err := io.CopyN(io.Discard, r.in, n)
	r.offset += got
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return ErrCut
	}
	return fmt.Errorf("read the capture: %w", err)
}
