// Package buffer keeps the memory of envelopes for reuse, in classes of size: an exporter's envelopes are of like size, most
// exporters are slow and never need a large one, and what is kept is bounded.
package buffer

import "sync"

const (
	smallest = 4 << 10 // bytes
	classes  = 13      // 4, 6, 8, 12, 16 … 192, 256 KiB
	most     = 8 << 20 // bytes kept for reuse
)

// Pool keeps buffers for reuse. It is safe for concurrent use.
type Pool struct {
	mu   sync.Mutex
	free [classes][][]byte
	kept int // bytes
}

// NewPool makes an empty pool.
func NewPool() *Pool { return &Pool{} }

// Get gives an empty buffer that holds size bytes or nearly so; it may grow.
func (b *Pool) Get(size int) []byte {
	class := 0
	for class < classes-1 && classSize(class) < size {
		class++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, near := range [...]int{class, min(class+1, classes-1)} {
		if n := len(b.free[near]); n > 0 {
			buf := b.free[near][n-1]
			b.free[near] = b.free[near][:n-1]
			b.kept -= cap(buf)
			return buf[:0]
		}
	}
	return make([]byte, 0, classSize(class))
}

// Put takes a buffer that nobody uses any more.
func (b *Pool) Put(buf []byte) {
	class := classes - 1
	for class >= 0 && classSize(class) > cap(buf) {
		class--
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if class >= 0 && b.kept+cap(buf) <= most {
		b.free[class] = append(b.free[class], buf)
		b.kept += cap(buf)
	}
}

// classSize grows by half and by a third in turns.
func classSize(class int) int { return (smallest + class%2*smallest/2) << (class / 2) }
