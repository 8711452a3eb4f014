package collector

import "github.com/ezscale/platform/metering/envelope"

// The ways between a partition's memory and its spool. All are called with the partition locked.

// spooling tells whether envelopes wait on disk.
func (p *partition) spooling() bool { return p.spool != nil && !p.spool.Empty() }

// spill moves everything in memory behind what is in the spool, and tells whether it all went. What is in flight is
// written first, and stays in flight.
func (p *partition) spill() bool {
	if p.spool == nil || !p.spillFlight() {
		return false
	}
	moved := 0
	for _, i := range p.queue {
		if !p.write(i) {
			break
		}
		p.c.totals.queued.Add(-int64(len(i.value)))
		p.c.buffers.Put(i.value)
		moved++
	}
	p.queue = append(p.queue[:0], p.queue[moved:]...)
	return len(p.queue) == 0
}

// spillFlight writes what is in flight into the spool, all or nothing; the spool is empty as long as flight comes
// from memory. The request still reads the values, so their buffers are not used again.
func (p *partition) spillFlight() bool {
	if p.onDisk || len(p.flight) == 0 {
		return true
	}
	for _, i := range p.flight {
		if !p.write(i) {
			if err := p.spool.Discard(); err != nil {
				p.note(&p.unwritable, "written", err)
			}
			return false
		}
	}
	for _, i := range p.flight {
		p.c.totals.queued.Add(-int64(len(i.value)))
	}
	p.onDisk = true
	return true
}

func (p *partition) write(i item) bool {
	if p.spool == nil {
		return false
	}
	err := p.spool.Append(i.value)
	p.note(&p.unwritable, "written", err)
	return err == nil
}

// load reads the next request's envelopes from the spool.
func (p *partition) load(batch []item) []item {
	values, err := p.spool.Read(p.limit)
	for _, value := range values {
		h, body, malformed := envelope.Parse(value)
		if malformed != nil {
			err = malformed // checksums are right, so an older or newer program wrote it: Kafka's readers park it
		}
		i := item{value: value, report: h.Kind == envelope.KindReport && h.Boot == p.c.self.Boot}
		for _, ok := body.Next(); ok; _, ok = body.Next() {
			i.datagrams++
		}
		batch = append(batch, i)
	}
	p.note(&p.unreadable, "read", err)
	return batch
}

// note keeps what cannot be done with the spool for health, and says in the log when it changes: a full disk refuses each
// envelope anew.
func (p *partition) note(state *error, done string, err error) {
	switch {
	case err != nil && *state == nil:
		p.c.log.Warn("the spool cannot be "+done, "partition", p.index, "error", err)
	case err == nil && *state != nil:
		p.c.log.Info("the spool can be "+done+" again", "partition", p.index)
	}
	*state = err
}
