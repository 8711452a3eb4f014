// Package scale tests whether documents are scaled the way we take them to be, exporter by exporter.
//
// A sampled packet can be checked: its document says the rate, so packets must be the rate, and bytes divided by it
// the length of a packet. Bytes that were not multiplied, or were twice, are off by the rate, which is at least 2. An
// exporter of which more than one in a hundred checked documents fails is stopped: nothing of it is taken until
// somebody has looked and says to trust it. Below that the documents that fail are kept back alone.
//
// ElastiFlow writes a rate of 1 when it does not know the rate, and then the bytes are raw. That cannot be told from
// an exporter that does not sample, except by its other documents: once a rate above 1 was seen of an exporter,
// documents with none are kept back as of unknown rate.
package scale

import (
	"github.com/ezscale/platform/metering/replay/document"
)

// Verdict on one document.
type Verdict string

// Verdicts. All but Good keep the document back.
const (
	Good        Verdict = ""
	Stopped     Verdict = "scale_stopped"  // its exporter has failed the test
	Mismatch    Verdict = "scale_mismatch" // it has failed the test alone
	RateUnknown Verdict = "rate_unknown"
)

const (
	maxShare = 100     // one failure in so many checked documents is borne
	slack    = 22      // bytes: Ethernet, a VLAN tag and the checksum
	ratioLow = 80      // per cent of a packet's length
	ratioTop = 125     //
	sampled  = 2       // the least rate that can be checked
	settled  = 1 << 20 // checked documents after which the past counts half
)

// Book is what is known about one exporter. Its zero value knows nothing.
type Book struct {
	Checked  uint64 `json:"checked"`
	Failed   uint64 `json:"failed"`
	Sampled  bool   `json:"sampled"` // a rate above 1 was seen
	Stopped  bool   `json:"stopped"`
	Trusted  bool   `json:"-"` // somebody has said so
	Evidence string `json:"evidence,omitempty"`
}

// Learn takes a document into account. It comes before Judge for every document of a batch, so that the first ones are
// judged by the later ones too.
func (b *Book) Learn(r document.Record, where string) {
	if r.Flow.Rate >= sampled {
		b.Sampled = true
	}
	if !checkable(r) {
		return
	}
	if b.Checked >= settled {
		b.Checked, b.Failed = b.Checked/2, b.Failed/2
	}
	b.Checked++
	if fits(r) {
		return
	}
	b.Failed++
	if b.Failed*maxShare > b.Checked && !b.Stopped {
		b.Stopped, b.Evidence = true, where
	}
}

// Judge says what becomes of a document.
func (b *Book) Judge(r document.Record) Verdict {
	switch {
	case b.Trusted:
		return Good
	case b.Stopped:
		return Stopped
	case checkable(r) && !fits(r):
		return Mismatch
	case b.Sampled && r.Flow.Rate < sampled:
		return RateUnknown
	}
	return Good
}

// checkable tells the documents of one sampled packet with all there is to compare.
func checkable(r document.Record) bool {
	return r.SFlow && r.Flow.Rate >= sampled && r.Flow.Packets > 0
}

// fits: packets are the rate, and bytes are so many packets of a length that the document names.
func fits(r document.Record) bool {
	rate := uint64(r.Flow.Rate)
	if r.Flow.Packets != rate {
		return false
	}
	for _, frame := range r.Frames {
		if near(r.Flow.BytesL2/rate, frame) {
			return true
		}
	}
	return len(r.Frames) == 0
}

func near(got, want uint64) bool {
	if got*100 >= want*ratioLow && got*100 <= want*ratioTop {
		return true
	}
	return max(got, want)-min(got, want) <= slack
}
