package collector

import "sync"

// Sizes of reused envelope buffers, in bytes. Most exporters are slow and never need a large one.
const (
	smallestBuffer = 4 << 10
	bufferClasses  = 13      // 4, 6, 8, 12, 16 … 192, 256 KiB
	bufferBytes    = 8 << 20 // kept for reuse, at most
)

// buffers keeps envelope buffers for reuse.
type buffers struct {
	mu   sync.Mutex
	free [bufferClasses][][]byte
	kept int // bytes
}

func newBuffers() *buffers { return &buffers{} }

// get gives an empty buffer that holds size bytes or nearly so; it may grow.
func (b *buffers) get(size int) []byte {
	class := 0
	for class < bufferClasses-1 && classSize(class) < size {
		class++
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, near := range [...]int{class, min(class+1, bufferClasses-1)} {
		if n := len(b.free[near]); n > 0 {
			buf := b.free[near][n-1]
			b.free[near] = b.free[near][:n-1]
			b.kept -= cap(buf)
			return buf[:0]
		}
	}
	return make([]byte, 0, classSize(class))
}

// put takes a buffer that nobody uses any more.
func (b *buffers) put(buf []byte) {
	class := bufferClasses - 1
	for class >= 0 && classSize(class) > cap(buf) {
		class--
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if class >= 0 && b.kept+cap(buf) <= bufferBytes {
		b.free[class] = append(b.free[class], buf)
		b.kept += cap(buf)
	}
}

// classSize grows by half and by a third in turns.
func classSize(class int) int { return (smallestBuffer + class%2*smallestBuffer/2) << (class / 2) }
