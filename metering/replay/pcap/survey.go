package pcap

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
)

// surveyor adds up what the file holds.
type surveyor struct {
	Survey
	shares  map[uuid.UUID]*Share
	digests map[uuid.UUID]hash.Hash
	sources map[netip.Addr]int64

	replayed int64
}

// Survey reads the file once and sends nothing. Errors: capture.ErrFormat, capture.ErrDamaged, what reading gave.
func (r *Replay) Survey(ctx context.Context, progress func(Progress)) (*Survey, error) {
	s := &surveyor{shares: map[uuid.UUID]*Share{}, digests: map[uuid.UUID]hash.Hash{}, sources: map[netip.Addr]int64{}}
	read, err := r.walk(ctx, func(f *found) error {
		s.add(f)
		progress(Progress{Bytes: f.offset, Datagrams: s.replayed, At: time.Unix(0, f.at).UTC()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Counts, s.Size, s.Cut, s.digest = read.counts, read.size, read.cut, read.digest
	s.settle()
	return &s.Survey, nil
}

func (s *surveyor) add(f *found) {
	switch {
	case f.other:
		s.OtherPorts++
	case f.unknown:
		s.Unknown++
		if _, ok := s.sources[f.source.Address]; ok || len(s.sources) < maxUnknown {
			s.sources[f.source.Address]++
		}
	case f.exporter != nil:
		s.share(f)
	}
}

func (s *surveyor) share(f *found) {
	share, ok := s.shares[f.exporter.ID]
	if !ok {
		share = &Share{Exporter: f.exporter.ID}
		s.shares[f.exporter.ID], s.digests[f.exporter.ID] = share, sha256.New()
	}
	d := &f.datagram
	at := time.Unix(0, d.Received).UTC()
	if share.Datagrams == 0 || at.Before(share.First) {
		share.First = at
	}
	if at.After(share.Last) {
		share.Last = at
	}
	if s.first == 0 {
		s.first = d.Received
	}
	share.Datagrams++
	s.replayed++
	share.Bytes += int64(len(d.Payload))
	var head [29]byte
	binary.BigEndian.PutUint64(head[:], uint64(d.Received))
	address := d.Source.Addr().As16()
	copy(head[8:], address[:])
	binary.BigEndian.PutUint16(head[24:], d.Source.Port())
	head[26] = byte(d.Protocol)
	binary.BigEndian.PutUint16(head[27:], uint16(len(d.Payload)))
	s.digests[f.exporter.ID].Write(head[:])
	s.digests[f.exporter.ID].Write(d.Payload)
}

// settle puts shares and sources in order.
func (s *surveyor) settle() {
	for id, share := range s.shares {
		share.digest = [32]byte(s.digests[id].Sum(nil))
		s.Shares = append(s.Shares, *share)
	}
	slices.SortFunc(s.Shares, func(a, b Share) int { return bytes.Compare(a.Exporter[:], b.Exporter[:]) })
	for address, n := range s.sources {
		s.Sources = append(s.Sources, Source{address, n})
	}
	slices.SortFunc(s.Sources, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Datagrams, a.Datagrams), a.Address.Compare(b.Address))
	})
}
