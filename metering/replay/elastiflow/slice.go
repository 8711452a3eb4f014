package elastiflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/metering/envelope"
	"github.com/ezscale/platform/metering/replay/document"
	"github.com/ezscale/platform/metering/replay/journal"
	"github.com/ezscale/platform/metering/replay/scale"
)

// maxDocuments bounds what is remembered of one slice.
const maxDocuments = 8 << 20

// errTooMany is a slice that does not fit into memory.
var errTooMany = errors.New("too many documents in one slice: give a smaller slice")

// slice is one reading of [from, to).
type slice struct {
	r        *Replay
	table    *table
	from, to time.Time
	minutes  map[int64]*minute // by Unix second
	seen     map[uint64]bool   // hashes: true when it was counted before this reading or in it
	pending  []candidate
	counts   Counts // of this reading, but for what Commit has taken already
	silent   Counts // of what is known: told to nobody
}

// minute is one of a slice's.
type minute struct {
	journal.Minute
	found    int64
	eligible int64 // of a sealed minute: what would be counted
}

// candidate is a document to be counted, unless its exporter's scale says no.
type candidate struct {
	record   document.Record
	exporter uuid.UUID
	address  netip.Addr
	minute   int64
	where    string
	known    bool // counted already; it teaches the test, and no more
}

func (r *Replay) newSlice(ctx context.Context, from, to time.Time) (*slice, error) {
	t, err := r.exporters(ctx)
	if err != nil {
		return nil, err
	}
	before, err := r.deps.Journal.Minutes(ctx, r.job.Source, from, to)
	if err != nil {
		return nil, err
	}
	s := &slice{r: r, table: t, from: from, to: to, minutes: map[int64]*minute{}, seen: map[uint64]bool{}, counts: newCounts(), silent: newCounts()}
	for at, m := range before {
		s.minutes[at] = &minute{Minute: *m}
		for _, h := range m.Known {
			s.seen[h] = true
		}
		s.minutes[at].Known = nil
	}
	return s, nil
}

// unchanged tells a slice of which everything was counted when it was read last, and which has as many documents now.
func (s *slice) unchanged(ctx context.Context) (bool, error) {
	if len(s.minutes) == 0 {
		return false, nil
	}
	var found int64
	for _, m := range s.minutes {
		if !m.Whole() {
			return false, nil
		}
		found += m.Found
	}
	n, err := s.r.reader.count(ctx, s.from, s.to)
	if err != nil || n != found {
		return false, err
	}
	s.counts.Found, s.counts.Duplicates = found, found
	return true, nil
}

// take sorts the documents of a page.
func (s *slice) take(ctx context.Context, hits []elasticsearch.Hit) error {
	for _, h := range hits {
		at, err := timeOf(h)
		if err != nil {
			return err
		}
		s.one(h, at)
	}
	if len(s.seen) > maxDocuments {
		return fmt.Errorf("more than %d documents from %s to %s: %w", maxDocuments, s.from.Format(time.RFC3339), s.to.Format(time.RFC3339), errTooMany)
	}
	if len(s.pending) >= s.r.cfg.Batch {
		return s.commit(ctx, false)
	}
	return nil
}

func (s *slice) minuteOf(at int64) (*minute, int64) {
	second := time.Unix(0, at).Truncate(time.Minute).Unix()
	m := s.minutes[second]
	if m == nil {
		m = &minute{Minute: journal.Minute{Found: -1}}
		s.minutes[second] = m
	}
	return m, second
}

func (s *slice) one(h elasticsearch.Hit, at int64) {
	hash := document.Hash(h.ID)
	m, second := s.minuteOf(at)
	known, again := s.seen[hash]
	if again && !known {
		return // by two names of one index, in this reading
	}
	m.found++
	s.counts.Found++
	s.seen[hash] = false
	if known && m.Minute.Found >= 0 { // otherwise it is of a reading that was interrupted: this one goes on with it
		s.counts.Duplicates++
	}
	if c, ok := s.candidate(h, at, known); ok {
		c.minute, c.known = second, known
		s.pending = append(s.pending, c)
	}
}

// candidate reads a document. One that is known keeps no counts.
func (s *slice) candidate(h elasticsearch.Hit, at int64, known bool) (c candidate, ok bool) {
	counts := &s.counts
	if known {
		counts = &s.silent
	}
	where := h.Index + "/" + h.ID
	record, fault := document.Read(document.Hit{ID: h.ID, At: at, Source: h.Source}, s.r.reader.schemas[h.Index])
	if fault != nil {
		counts.keep(fault.Reason, where+": "+fault.Detail)
		return c, false
	}
	counts.Schemas[string(record.Schema)]++
	id, address, ok := s.table.find(record.Exporters)
	if !ok {
		counts.keep(ReasonUnknownExporter, where+": "+address.String())
		addAll(counts.Unknown, map[string]int64{address.String(): 1}, 1, maxUnknown)
	}
	return candidate{record: record, exporter: id, address: address, where: where}, ok
}

// judged are the candidates that may be counted: all of them teach the test before the first is judged.
func (s *slice) judged() []candidate {
	good := s.pending[:0]
	for _, c := range s.pending {
		book := s.r.counts.book(c.address)
		book.Trusted = s.table.trusts(c.exporter, c.address)
		book.Learn(c.record, c.where)
	}
	for _, c := range s.pending {
		if c.known {
			continue
		}
		if v := s.r.counts.book(c.address).Judge(c.record); v != scale.Good {
			s.counts.keep(string(v), fmt.Sprintf("%s: %d bytes, %d packets at 1 in %d", c.where, c.record.Flow.BytesL2, c.record.Flow.Packets, c.record.Flow.Rate))
			continue
		}
		if m := s.minutes[c.minute]; m.Sealed {
			m.eligible++
			continue
		}
		good = append(good, c)
	}
	s.pending = s.pending[:0]
	return good
}

// commit writes what is pending; whole says that the slice is read to its end.
func (s *slice) commit(ctx context.Context, whole bool) error {
	flows, hashes := map[uuid.UUID][]envelope.Flow{}, map[int64][]uint64{}
	counted, bytes := int64(0), uint64(0)
	for _, c := range s.judged() {
		flows[c.exporter] = append(flows[c.exporter], c.record.Flow)
		hashes[c.minute] = append(hashes[c.minute], c.record.Flow.Document)
		counted++
		bytes += c.record.Flow.BytesL2
	}
	s.surplus(whole)
	envelopes, err := pack(s.r.job.ID, s.r.job.Boot, flows)
	if err != nil {
		return err
	}
	changes := s.changes(hashes, whole)
	if err := s.r.write(ctx, s, envelopes, changes, progress{counted: counted, bytes: bytes, whole: whole}); err != nil {
		return err
	}
	for second, c := range changes {
		m := s.minutes[second]
		m.Parts, m.Documents, m.Minute.Found = c.Parts+1, m.Documents+int64(len(c.Hashes)), c.Found
	}
	return nil
}

// surplus notes what came to sealed minutes after they were sealed.
func (s *slice) surplus(whole bool) {
	if !whole {
		return
	}
	for second, m := range s.minutes {
		if !m.Sealed {
			continue
		}
		s.counts.Duplicates += min(m.eligible, m.Documents)
		for range m.eligible - m.Documents {
			s.counts.keep(ReasonSealed, "the minute of "+time.Unix(second, 0).UTC().Format(time.RFC3339))
		}
	}
}

// changes are what the journal must be told about the minutes: those that changed.
func (s *slice) changes(hashes map[int64][]uint64, whole bool) map[int64]journal.Change {
	changes := map[int64]journal.Change{}
	for second, m := range s.minutes {
		found := int64(-1)
		if whole {
			found = m.found
		}
		if m.Sealed || len(hashes[second]) == 0 && (!whole || m.Minute.Found == found && m.Parts > 0) {
			continue
		}
		changes[second] = journal.Change{Parts: m.Parts, Hashes: hashes[second], Found: found}
	}
	return changes
}

// progress is what a commit adds to the counts at once, so that it is not lost with the rest of the slice.
type progress struct {
	counted int64
	bytes   uint64
	whole   bool
}

// write commits, and moves the job's counts and cursor along.
func (r *Replay) write(ctx context.Context, s *slice, envelopes []journal.Envelope, changes map[int64]journal.Change, p progress) error {
	next := r.counts.clone()
	next.Counted += p.counted
	next.Bytes += p.bytes
	cursor := r.job.Next
	if p.whole {
		r.settle(&next, s)
		if s.to.After(cursor) {
			cursor = s.to
		}
	}
	text, err := next.json()
	if err != nil {
		return err
	}
	if r.cfg.DryRun {
		r.job.Next = cursor
	} else if err := r.deps.Journal.Commit(ctx, r.job, journal.Batch{Envelopes: envelopes, Minutes: changes, Next: cursor, Counts: text}); err != nil {
		return err
	}
	r.counts = next
	if p.whole {
		r.remember(s)
	}
	if len(envelopes) > 0 && r.sender != nil {
		r.sender.Wake()
	}
	return nil
}

// settle adds a whole slice's counts. A follower reads a slice many times: the last reading takes the place of the one before.
func (r *Replay) settle(c *Counts, s *slice) {
	if r.cfg.mode() == journal.Follow {
		s.counts.Duplicates = 0
		if before, ok := r.readings[s.from.Unix()]; ok {
			c.add(before, -1)
		}
	}
	c.add(s.counts, 1)
}

// remember keeps a follower's readings as long as they are read again.
func (r *Replay) remember(s *slice) {
	if r.cfg.mode() != journal.Follow {
		return
	}
	r.readings[s.from.Unix()] = s.counts
	oldest := s.to.Add(-r.cfg.Window - r.cfg.Lag - time.Hour).Unix()
	maps.DeleteFunc(r.readings, func(at int64, _ Counts) bool { return at < oldest })
}

// clone copies what add changes. The books of the scale are shared: what was learned stays learned.
func (c Counts) clone() Counts {
	c.Kept, c.Examples, c.Unknown, c.Schemas = maps.Clone(c.Kept), maps.Clone(c.Examples), maps.Clone(c.Unknown), maps.Clone(c.Schemas)
	return c
}
