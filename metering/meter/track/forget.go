package track

// Forget drops what has been silent for a day of log time before at; ports' counters are kept for longer, so that
// what a port did while nothing was heard of it is counted in full afterwards. What a replay knows of ports stays: see Replayed.
func (b *Book) Forget(at int64) {
	for id, e := range b.exporters {
		b.forgotten = max(b.forgotten, e.forget(at))
		if len(e.agents) == 0 && len(e.flows) == 0 {
			delete(b.exporters, id)
		}
	}
}

// forget tells when the newest was received of what is forgotten.
func (e *Exporter) forget(at int64) (newest int64) {
	for address, a := range e.agents {
		for id, s := range a.subs {
			if s.forget(at) {
				newest = max(newest, s.heardAt)
				delete(a.subs, id)
				e.subAgents--
			}
		}
		if len(a.subs) == 0 {
			delete(e.agents, address)
		}
	}
	for key, f := range e.flows {
		if key.version != 0 && at-f.heardAt > forgetAfter { // a replay's time is its own
			newest = max(newest, f.heardAt)
			delete(e.flows, key)
		}
	}
	e.last = nil
	return newest
}

// forget tells whether nothing of the sub-agent is worth keeping any more.
func (s *SubAgent) forget(at int64) bool {
	silent := at - s.heardAt
	if silent <= forgetAfter {
		return false
	}
	s.streams = nil
	clear(s.sources)
	clear(s.recent[:])
	return len(s.ports) == 0 || silent > forgetPortsAfter
}
