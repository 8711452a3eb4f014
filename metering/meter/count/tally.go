package count

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/ezscale/platform/metering/meter/count/ports"
	"github.com/ezscale/platform/metering/meter/ownership"
	"github.com/ezscale/platform/metering/sflow"
)

// Bounds of what is added up between two resets. The caller resets in time: see Full.
const (
	MaxSamples = 4 << 20
	MaxCells   = 128 << 10

	maxUnattributed = 32 << 10 // addresses; the rest is gathered under Elsewhere
	maxQuarantined  = 16 << 10 // (exporter, hour, service, direction, rate); the rest is only counted
	maxPorts        = 64 << 10 // the rest keeps its last reading
	maxEvidence     = 64 << 10
	maxBytes        = 1 << 60 // or packets, of flow records: what is beyond is rejected
)

// Elsewhere gathers unattributed addresses over the bound.
func Elsewhere() netip.Addr { return netip.IPv6Unspecified() }

// Loss is what is known of an exporter's hour besides usage: the columns of loss_hourly.
type Loss struct {
	Datagrams, DatagramsLost, DatagramsDuplicate, DatagramsRejected, Restarts   int64
	Samples, SamplesEvidence, SamplesLost, SamplesDropped, SamplesQuarantined   int64
	SamplesWithoutIP, SamplesRejected, SamplesUnattributed, BytesUnattributedL2 int64
	CounterSamples, DiscardSamples, SamplesUnknown, KernelDrops, SpoolDrops     int64
	Records, RecordsLost, SetsWithoutTemplate, SamplesElsewhere                 int64
}

// ExporterTime is an exporter and an hour or a minute, both counted since 1970.
type ExporterTime struct {
	Exporter int32
	Time     int64
}

// Minute is what an exporter's minute adds to loss_minute.
type Minute struct{ Datagrams, Lost int64 }

// RejectKey names a row of reject_hourly.
type RejectKey struct {
	ExporterTime
	Reason string
}

// QuarantineKey names a row of quarantine_hourly.
type QuarantineKey struct {
	ExporterTime
	Service int32
	In      bool
	Rate    uint32
}

// Quarantined is unscaled.
type Quarantined struct{ Samples, FrameLength, IPLength int64 }

// AddressKey names a row of unattributed_hourly.
type AddressKey struct {
	ExporterTime
	Address netip.Addr
}

// EvidenceKey names a row of usage_evidence.
type EvidenceKey struct {
	Service, Exporter int32
	Hour              int64
	Reason            ownership.Evidence
}

// Unattributed is scaled.
type Unattributed struct{ BytesL2, BytesL3, Packets, Samples int64 }

// PortKey names a row of port.
type PortKey = ownership.Port

// Port is a port's newest reading.
type Port struct {
	Type                       uint32
	Speed, OctetsIn, OctetsOut uint64
	At                         int64 // Unix nanoseconds
	Rate                       uint32
	Status                     uint8
	Name                       string
	FCSErrors                  int64 // -1: not told
}

// Heard is when an exporter was heard, in Unix nanoseconds.
type Heard struct {
	First, Last int64
	Agent       netip.Addr
	SubAgents   int
}

// Tally is everything counted since the last Reset.
type Tally struct {
	usageTable
	ports.Table
	Evidence     map[EvidenceKey]*Usage
	Losses       map[ExporterTime]*Loss   // by hour
	Minutes      map[ExporterTime]*Minute // by minute
	Rejects      map[RejectKey]int64
	Quarantine   map[QuarantineKey]Quarantined
	Unattributed map[AddressKey]Unattributed
	Ports        map[PortKey]Port
	Heard        map[int32]*Heard

	Samples   int   // flow samples looked at
	Newest    int64 // receive time of the newest datagram, Unix nanoseconds
	Untracked int   // samples of sources over track's bound
	Forgotten int   // quarantine rows over the bound
	bytes     int64 // or packets, of flow records

	lossKey   ExporterTime
	lossNow   *Loss
	minuteKey ExporterTime
	minuteNow *Minute
	heardNow  *Heard
	heardKey  int32
}

func newTally() *Tally {
	return &Tally{
		usageTable: newUsageTable(), Table: ports.NewTable(), Evidence: map[EvidenceKey]*Usage{},
		Losses: map[ExporterTime]*Loss{}, Minutes: map[ExporterTime]*Minute{}, Rejects: map[RejectKey]int64{},
		Quarantine: map[QuarantineKey]Quarantined{}, Unattributed: map[AddressKey]Unattributed{},
		Ports: map[PortKey]Port{}, Heard: map[int32]*Heard{},
	}
}

// Full tells that the next envelope must wait for a Reset.
func (t *Tally) Full() bool {
	return t.Samples >= MaxSamples || t.Cells() >= MaxCells || len(t.PortHours) >= ports.MaxHours/2 || len(t.Evidence) >= maxEvidence || t.bytes >= maxBytes/2
}

// Empty tells that nothing was counted.
func (t *Tally) Empty() bool { return len(t.Losses) == 0 && t.Cells() == 0 }

// Reset forgets all counts and keeps the memory for the next.
func (t *Tally) Reset() {
	t.usageTable.reset()
	t.Table.Reset()
	clear(t.Evidence)
	clear(t.Losses)
	clear(t.Minutes)
	clear(t.Rejects)
	clear(t.Quarantine)
	clear(t.Unattributed)
	clear(t.Ports)
	clear(t.Heard)
	t.Samples, t.Newest, t.Untracked, t.Forgotten, t.bytes = 0, 0, 0, 0, 0
	t.lossNow, t.minuteNow, t.heardNow = nil, nil, nil
}

// Loss is the ledger of an exporter and the hour of at (Unix nanoseconds).
func (t *Tally) Loss(exporter int32, at int64) *Loss {
	key := ExporterTime{exporter, at / int64(time.Hour)}
	if t.lossNow != nil && t.lossKey == key {
		return t.lossNow
	}
	l, ok := t.Losses[key]
	if !ok {
		l = &Loss{}
		t.Losses[key] = l
	}
	t.lossKey, t.lossNow = key, l
	return l
}

func (t *Tally) minute(exporter int32, at, lost int64) {
	key := ExporterTime{exporter, at / int64(time.Minute)}
	if t.minuteNow == nil || t.minuteKey != key {
		m, ok := t.Minutes[key]
		if !ok {
			m = &Minute{}
			t.Minutes[key] = m
		}
		t.minuteKey, t.minuteNow = key, m
	}
	t.minuteNow.Datagrams++
	t.minuteNow.Lost += lost
}

func (t *Tally) hear(exporter int32, at int64, agent netip.Addr, subAgents int) {
	t.Newest = max(t.Newest, at)
	if t.heardNow == nil || t.heardKey != exporter {
		h, ok := t.Heard[exporter]
		if !ok {
			h = &Heard{First: at}
			t.Heard[exporter] = h
		}
		t.heardKey, t.heardNow = exporter, h
	}
	h := t.heardNow
	h.First = min(h.First, at)
	if at >= h.Last {
		h.Last, h.Agent, h.SubAgents = at, agent, subAgents
	}
}

func (t *Tally) reject(exporter int32, hour int64, reason string, n int64) {
	t.Rejects[RejectKey{ExporterTime{exporter, hour}, reason}] += n
}

func (t *Tally) quarantine(exporter int32, hour int64, service int32, in bool, rate uint32, more Quarantined) {
	key := QuarantineKey{ExporterTime{exporter, hour}, service, in, rate}
	q, ok := t.Quarantine[key]
	if !ok && len(t.Quarantine) >= maxQuarantined {
		t.Forgotten++
		return
	}
	t.Quarantine[key] = Quarantined{q.Samples + more.Samples, q.FrameLength + more.FrameLength, q.IPLength + more.IPLength}
}

// unattributed keeps both ends: which of them is ours nobody can tell.
func (t *Tally) unattributed(exporter int32, hour int64, src, dst netip.Addr, more Unattributed) {
	for _, address := range [2]netip.Addr{src, dst} {
		key := AddressKey{ExporterTime{exporter, hour}, address}
		u, ok := t.Unattributed[key]
		if !ok && len(t.Unattributed) >= maxUnattributed {
			key.Address = Elsewhere()
			u = t.Unattributed[key]
		}
		t.Unattributed[key] = Unattributed{u.BytesL2 + more.BytesL2, u.BytesL3 + more.BytesL3, u.Packets + more.Packets, u.Samples + more.Samples}
	}
}

func (t *Tally) evidence(key EvidenceKey) *Usage {
	u, ok := t.Evidence[key]
	if !ok {
		u = &Usage{}
		t.Evidence[key] = u
	}
	return u
}

func (t *Tally) port(exporter int32, at int64, s *sflow.CounterSample, rate uint32) {
	key := PortKey{Exporter: exporter, Index: s.IfIndex}
	p, ok := t.Ports[key]
	if at < p.At || !ok && len(t.Ports) >= maxPorts {
		return
	}
	if p = (Port{
		Type: s.IfType, Speed: s.Speed, OctetsIn: s.OctetsIn, OctetsOut: s.OctetsOut, At: at, Rate: rate, Status: uint8(s.Status & 3), Name: s.Name, FCSErrors: -1,
	}); s.HasEthernet {
		p.FCSErrors = int64(s.Ethernet.FCSErrors)
	}
	t.Ports[key] = p
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
