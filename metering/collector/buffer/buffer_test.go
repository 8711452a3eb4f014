package buffer

import "testing"

func TestBuffersComeBack(t *testing.T) {
	t.Parallel()
	p := NewPool()
	for _, size := range []int{0, 1, smallest, smallest + 1, 100 << 10, 256 << 10} {
		b := p.Get(size)
		if len(b) != 0 || cap(b) < size {
			t.Errorf("%d bytes: length %d, capacity %d", size, len(b), cap(b))
		}
		b = append(b, 1)
		p.Put(b)
		if again := p.Get(size); len(again) != 0 || &again[:1][0] != &b[0] {
			t.Errorf("%d bytes: not the buffer that was given back", size)
		}
	}
}

// What does not fit a class, and what would be too much, is left to the garbage collector.
func TestTheRestIsBounded(t *testing.T) {
	t.Parallel()
	p := NewPool()
	p.Put(make([]byte, 0, smallest-1))
	if p.kept != 0 {
		t.Errorf("%d bytes kept of a buffer below all classes", p.kept)
	}
	for range 2 * most / (256 << 10) {
		p.Put(make([]byte, 0, 256<<10))
	}
	if p.kept > most {
		t.Errorf("%d bytes kept, at most %d", p.kept, most)
	}
	for range most / (256 << 10) {
		p.Get(256 << 10)
	}
	if p.kept != 0 {
		t.Errorf("%d bytes kept of a pool that was emptied", p.kept)
	}
}
