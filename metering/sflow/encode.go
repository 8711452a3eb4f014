package sflow

import "encoding/binary"

// Encoder writes datagrams, for the simulated switch and for tests of everything that reads them. It appends into one
// buffer that it reuses, and fills in counts and lengths as it goes:
//
//	e.Start(header)
//	e.Flow(&sample, false)
//	e.RawHeader(1, sample.FrameLength, 4, frame)
//	e.Counters(&reading, true)
//	send(e.Finish())
type Encoder struct {
	b       []byte
	count   int // where the number of samples is
	sample  int // where the open sample's body starts, 0 when none is open
	records int // where the open sample's number of records is, 0 when it has none
}

// Start begins a datagram, over the last one. SampleCount is ignored: Finish writes how many there are.
func (e *Encoder) Start(h Header) {
	e.b = append(e.b[:0], 0, 0, 0, version5)
	if h.Agent.Is4() {
		agent := h.Agent.As4()
		e.put(addressIPv4)
		e.b = append(e.b, agent[:]...)
	} else {
		agent := h.Agent.As16()
		e.put(addressIPv6)
		e.b = append(e.b, agent[:]...)
	}
	e.put(h.SubAgent, h.Sequence, h.Uptime)
	e.count, e.sample, e.records = len(e.b), 0, 0
	e.put(0)
}

// Len is the number of bytes written since Start.
func (e *Encoder) Len() int { return len(e.b) }

// Finish closes the datagram and returns it. The bytes are good until the next Start.
func (e *Encoder) Finish() []byte {
	e.close()
	return e.b
}

// Swap is Finish for a sender that keeps what it gets: it returns the datagram's own buffer and goes on in spare.
func (e *Encoder) Swap(spare []byte) []byte {
	e.close()
	b := e.b
	e.b = spare[:0]
	return b
}

// Sample writes a whole sample of any format.
func (e *Encoder) Sample(format uint32, body []byte) {
	e.open(format)
	e.b = append(e.b, body...)
	e.close()
}

// Flow opens a flow sample with no records yet. Frame, addresses and lengths of s are not written: they are in records.
func (e *Encoder) Flow(s *FlowSample, expanded bool) {
	if expanded {
		e.open(formatExpandedFlow)
		e.put(s.Sequence, s.SourceClass, s.SourceIndex, s.Rate, s.Pool, s.Drops)
		e.put(s.InputFormat, s.Input, s.OutputFormat, s.Output)
	} else {
		e.open(formatFlow)
		e.put(s.Sequence, s.SourceClass<<24|s.SourceIndex&0x00ffffff, s.Rate, s.Pool, s.Drops)
		e.put(s.InputFormat<<30|s.Input&0x3fffffff, s.OutputFormat<<30|s.Output&0x3fffffff)
	}
	e.records = len(e.b)
	e.put(0)
}

// Record adds a record of any format to the open sample, padded to four bytes.
func (e *Encoder) Record(format uint32, body []byte) {
	e.record(format, len(body))
	e.b = append(e.b, body...)
	e.pad()
}

// RawHeader adds a raw packet header record: the first bytes of a frame of frameLength bytes, of which the agent
// removed stripped at the end. The bytes' copy in the datagram is returned, to be changed before the next call.
func (e *Encoder) RawHeader(protocol, frameLength, stripped uint32, frame []byte) []byte {
	e.record(recordRawHeader, rawFixedBytes+padded(len(frame)))
	e.put(protocol, frameLength, stripped, uint32(len(frame)))
	at := len(e.b)
	e.b = append(e.b, frame...)
	e.pad()
	return e.b[at : at+len(frame)]
}

// Counters writes a counter sample with a generic interface counters record, and one each for Ethernet and the name
// where s has them.
func (e *Encoder) Counters(s *CounterSample, expanded bool) {
	e.CounterSample(s, expanded)
	e.record(recordIfCounters, ifCountersBytes)
	e.put(s.IfIndex, s.IfType)
	e.put64(s.Speed)
	e.put(s.Direction, s.Status)
	e.put64(s.OctetsIn)
	e.put(s.UnicastIn, s.MulticastIn, s.BroadcastIn, s.DiscardsIn, s.ErrorsIn, s.UnknownProtocolsIn)
	e.put64(s.OctetsOut)
	e.put(s.UnicastOut, s.MulticastOut, s.BroadcastOut, s.DiscardsOut, s.ErrorsOut, 0)
	if s.HasEthernet {
		e.ethernet(&s.Ethernet)
	}
	if s.Name != "" {
		e.record(recordPortName, 4+padded(len(s.Name)))
		e.put(uint32(len(s.Name)))
		e.b = append(e.b, s.Name...)
		e.pad()
	}
}

func (e *Encoder) ethernet(c *EthernetCounters) {
	e.record(recordEthernetCounters, ethernetCountersBytes)
	e.put(c.AlignmentErrors, c.FCSErrors, c.SingleCollisionFrames, c.MultipleCollisionFrames, c.SQETestErrors)
	e.put(c.DeferredTransmissions, c.LateCollisions, c.ExcessiveCollisions, c.MACTransmitErrors, c.CarrierSenseErrors)
	e.put(c.FramesTooLong, c.MACReceiveErrors, c.SymbolErrors)
}

// CounterSample opens a counter sample with no records yet.
func (e *Encoder) CounterSample(s *CounterSample, expanded bool) {
	if expanded {
		e.open(formatExpandedCounter)
		e.put(s.Sequence, s.SourceClass, s.SourceIndex)
	} else {
		e.open(formatCounter)
		e.put(s.Sequence, s.SourceClass<<24|s.SourceIndex&0x00ffffff)
	}
	e.records = len(e.b)
	e.put(0)
}

func (e *Encoder) open(format uint32) {
	e.close()
	e.increment(e.count)
	e.put(format, 0)
	e.sample = len(e.b)
}

// close writes the open sample's length.
func (e *Encoder) close() {
	if e.sample != 0 {
		e.pad()
		binary.BigEndian.PutUint32(e.b[e.sample-4:], uint32(len(e.b)-e.sample))
	}
	e.sample, e.records = 0, 0
}

func (e *Encoder) record(format uint32, length int) {
	e.increment(e.records)
	e.put(format, uint32(length))
}

func (e *Encoder) increment(at int) {
	binary.BigEndian.PutUint32(e.b[at:], u32(e.b[at:])+1)
}

func (e *Encoder) put(values ...uint32) {
	for _, v := range values {
		e.b = binary.BigEndian.AppendUint32(e.b, v)
	}
}

func (e *Encoder) put64(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }

func (e *Encoder) pad() {
	for len(e.b)%4 != 0 {
		e.b = append(e.b, 0)
	}
}
