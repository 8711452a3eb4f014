package sources

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ezscale/platform/metering/envelope"
)

// maxUnknownSources is how many unknown addresses are remembered; a new one then takes an old one's place.
const maxUnknownSources = 4096

// Unknown counts who sends without being an exporter.
type Unknown struct {
	mu        sync.Mutex
	bySource  map[netip.Addr]*unknownSource
	datagrams int64
}

type unknownSource struct {
	datagrams, bytes int64
	last             int64 // Unix nanoseconds, the platform's clock
}

// NewUnknown has heard nobody.
func NewUnknown() *Unknown {
	return &Unknown{bySource: map[netip.Addr]*unknownSource{}}
}

// Add counts a datagram that no exporter sent.
func (u *Unknown) Add(source netip.Addr, bytes int, at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.datagrams++
	s := u.bySource[source]
	if s == nil {
		s = &unknownSource{}
		u.makeRoom()
		u.bySource[source] = s
	}
	s.datagrams++
	s.bytes += int64(bytes)
	s.last = at
}

// makeRoom forgets any one address when full: with that many, some flood is on, and its addresses are as good as random.
func (u *Unknown) makeRoom() {
	if len(u.bySource) < maxUnknownSources {
		return
	}
	for source := range u.bySource {
		delete(u.bySource, source)
		return
	}
}

// Answered tells whether a source was found unknown within the given nanoseconds before at.
func (u *Unknown) Answered(source netip.Addr, at, within int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.bySource[source]
	return s != nil && at-s.last < within
}

// Total is how many datagrams were unknown.
func (u *Unknown) Total() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.datagrams
}

// Latest lists the sources heard last, newest first.
func (u *Unknown) Latest() []envelope.UnknownSource {
	u.mu.Lock()
	defer u.mu.Unlock()
	sources := slices.Collect(maps.Keys(u.bySource))
	slices.SortFunc(sources, func(a, b netip.Addr) int { return cmp.Compare(u.bySource[b].last, u.bySource[a].last) })
	sources = sources[:min(len(sources), envelope.MaxUnknown)]
	list := make([]envelope.UnknownSource, len(sources))
	for i, source := range sources {
		s := u.bySource[source]
		list[i] = envelope.UnknownSource{
			Source: source.String(), Datagrams: s.datagrams, Bytes: s.bytes, LastAt: time.Unix(0, s.last).UTC(),
		}
	}
	return list
}
