package netflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ezscale/platform/metering/netflow/element"
	"github.com/ezscale/platform/metering/netflow/template"
)

// ErrState is an encoded memory that cannot be read.
var ErrState = errors.New("netflow state cannot be read")

// Bytes of each thing in the encoded form, at least.
const (
	leastDomain   = 39
	leastTemplate = 22 // with one field
	leastSampler  = 21
	leastKept     = 48
	leastField    = 8
)

// ReadState reads what AppendState wrote. No bytes at all are an empty memory. It takes nothing but what AppendState
// writes: the decoder that comes of it writes the same bytes.
func ReadState(from []byte) (*Decoder, error) {
	d := New()
	if len(from) == 0 {
		return d, nil
	}
	if from[0] != stateVersion {
		return nil, fmt.Errorf("%w: version %d, not %d", ErrState, from[0], stateVersion)
	}
	r := &stateReader{rest: from[1:]}
	d.latest = r.i64()
	var last domainKey
	r.each(leastDomain, MaxDomains, func() { last = r.domain(d, last) })
	r.each(leastKept, MaxKept, func() { r.kept(d) })
	r.check(len(r.rest) == 0, "%d bytes too many", len(r.rest))
	r.check(d.samplers <= MaxSamplers && d.bytes <= MaxKeptBytes, "more than an exporter may have")
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

// stateReader takes values off a buffer. After the first fault it gives zeros and keeps the fault.
type stateReader struct {
	rest []byte
	err  error
}

func (r *stateReader) check(ok bool, format string, args ...any) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrState, fmt.Sprintf(format, args...))
	}
	if r.err != nil {
		r.rest = nil
	}
}

func (r *stateReader) take(n int) []byte {
	if r.check(len(r.rest) >= n, "cut short"); r.err != nil {
		return make([]byte, min(n, 16)) // no more is asked for but for bodies
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *stateReader) u16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *stateReader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *stateReader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *stateReader) i64() int64  { return int64(r.u64()) }

// count reads how many things of at least size bytes follow, held against the bytes that remain.
func (r *stateReader) count(size, most int) int {
	n, width := binary.Uvarint(r.rest)
	r.check(width > 0 && width == len(binary.AppendUvarint(nil, n)), "no count")
	if r.err != nil {
		return 0
	}
	r.rest = r.rest[width:]
	if r.check(n <= uint64(most) && n <= uint64(len(r.rest)/size), "count %d", n); r.err != nil {
		return 0
	}
	return int(n)
}

func (r *stateReader) each(size, most int, read func()) {
	for range r.count(size, most) {
		if read(); r.err != nil {
			return
		}
	}
}

func (r *stateReader) key() domainKey {
	source := netip.AddrFrom16([16]byte(r.take(16))).Unmap()
	key := domainKey{source, uint16(r.take(1)[0]), r.u32()}
	r.check(key.version == Version9 || key.version == IPFIX, "version %d", key.version)
	return key
}

// domain reads a domain that stands after last, and gives its key.
func (r *stateReader) domain(d *Decoder, last domainKey) domainKey {
	key := r.key()
	dom := &domain{heard: r.i64(), systemInit: r.u64(), templates: map[uint16]*known{}, samplers: map[samplerKey]sampler{}}
	r.check(last.compare(key) < 0, "domains out of order")
	d.domains[key] = dom
	id := uint16(0)
	r.each(leastTemplate, MaxTemplates, func() { id = r.template(d, dom, key.version, id) })
	before := samplerKey{}
	r.each(leastSampler, MaxSamplers, func() { before = r.sampler(d, dom, before) })
	return key
}

func (r *stateReader) template(d *Decoder, dom *domain, version, last uint16) uint16 {
	t := template.Template{ID: r.u16()}
	used, options := r.i64(), r.take(1)[0]
	t.Options, t.Scopes = options == 1, int(r.u16())
	t.Fields = make([]element.Field, r.count(leastField, MaxFields))
	for i := range t.Fields {
		t.Fields[i] = element.Field{Enterprise: r.u32(), ID: r.u16(), Length: r.u16()}
	}
	layout, ok := template.New(version, t)
	d.fields += len(t.Fields)
	r.check(ok && options <= 1 && t.ID > last && d.fields <= MaxAllFields, "template %d", t.ID)
	dom.templates[t.ID] = &known{layout, used}
	return t.ID
}

func (r *stateReader) sampler(d *Decoder, dom *domain, last samplerKey) samplerKey {
	key := samplerKey{about(r.take(1)[0]), r.u64()}
	s := sampler{r.u32(), r.i64()}
	inOrder := len(dom.samplers) == 0 || last.compare(key) < 0
	r.check(key.about < aboutCount && s.rate > 0 && inOrder, "sampler %d", key.id)
	dom.samplers[key] = s
	d.samplers++
	return key
}

func (r *stateReader) kept(d *Decoder) {
	k := keptSet{key: r.key(), template: r.u16()}
	k.header = Header{Version: k.key.version, Domain: k.key.id, Sequence: r.u32(), Uptime: r.u32(), Exported: r.i64()}
	k.received = r.i64()
	k.body = slices.Clone(r.take(r.count(1, MaxDatagramBytes)))
	r.check(k.template >= template.MinID, "data of template %d", k.template)
	d.kept = append(d.kept, k)
	d.bytes += len(k.body)
}
