package netflow

import (
	"slices"
	"time"
)

// Bounds of the data sets that wait for their templates, of one exporter.
const (
	MaxKept      = 64
	MaxKeptBytes = 256 << 10
	MaxKeptFor   = 30 * time.Minute

	overtaking = 60_000 // milliseconds between datagrams that overtake each other, at most
)

// keptSet is a data set whose template has not come.
type keptSet struct {
	key      domainKey
	template uint16
	header   Header
	received int64
	body     []byte
}

// keep puts a set aside, and gives up the oldest where there is no room.
func (d *Decoder) keep(key domainKey, id uint16, body []byte) {
	d.out.WithoutTemplate++
	for len(d.kept) > 0 && (len(d.kept) >= MaxKept || d.bytes+len(body) > MaxKeptBytes) {
		d.giveUp(&d.out, 0)
	}
	d.kept = append(d.kept, keptSet{key, id, d.out.Header, d.out.Received, slices.Clone(body)})
	d.bytes += len(body)
}

func (d *Decoder) giveUp(to *Datagram, i int) {
	to.GivenUp++
	d.take(i)
}

func (d *Decoder) take(i int) keptSet {
	k := d.kept[i]
	d.kept = slices.Delete(d.kept, i, i+1)
	d.bytes -= len(k.body)
	return k
}

// expire gives up what has waited too long.
func (d *Decoder) expire(to *Datagram) {
	for i := 0; i < len(d.kept); {
		if d.latest-d.kept[i].received > int64(MaxKeptFor) {
			d.giveUp(to, i)
		} else {
			i++
		}
	}
}

// recover decodes the sets that waited for what the datagram at hand has brought.
func (d *Decoder) recover(to *Datagram) {
	d.room = MaxRecovered
	for i := 0; i < len(d.kept) && len(d.learnt) > 0; {
		if !slices.Contains(d.learnt, learnt{d.kept[i].key, d.kept[i].template}) || d.known(&d.kept[i]) == nil {
			i++
			continue
		}
		k := d.take(i)
		if k.sameLife(&to.Header) && d.known(&k).Fits(k.body) {
			d.recovered(to, &k)
		} else {
			to.GivenUp++
			to.reject(ErrMismatch)
		}
	}
}

func (d *Decoder) known(k *keptSet) *known {
	if dom := d.domains[k.key]; dom != nil {
		return dom.templates[k.template]
	}
	return nil
}

// recovered decodes one set into a Datagram of its own.
func (d *Decoder) recovered(to *Datagram, k *keptSet) {
	n := len(to.Recovered)
	if n < cap(to.Recovered) {
		to.Recovered = to.Recovered[:n+1] // with the memory of the one that lay there
	} else {
		to.Recovered = append(to.Recovered, Datagram{})
	}
	r := &to.Recovered[n]
	r.reset(k.header, k.received)
	code := d.data(r, k.key, d.domains[k.key], d.known(k), k.body)
	r.reject(code)
	r.StepKnown = code == codeNone || r.Version != IPFIX
}

// sameLife tells whether a set and a template can be of one life of the exporter: an id may mean another template after a
// restart. Version 9 tells by its uptime, which goes back then, but also a little when datagrams overtake each other.
// IPFIX tells nothing.
func (k *keptSet) sameLife(now *Header) bool {
	return k.header.Version != Version9 || int32(now.Uptime-k.header.Uptime) >= -overtaking
}
