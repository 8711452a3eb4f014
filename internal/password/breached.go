package password

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/ezscale/platform/internal/secret"
)

const (
	hashSigns = 2 * sha1.Size
	maxLine   = hashSigns + 1 + 20 + 2 // hash, colon, count, CR LF
	samples   = 64                     // lines looked at when a list is opened
)

// ErrBreachList is of a list of breached passwords that is not what it should be.
var ErrBreachList = errors.New("not a list of breached passwords, SHA1:COUNT sorted by hash")

// Breached is a list of breached passwords on disk, in the form in which haveibeenpwned gives all of theirs (some
// 40 GB): lines of SHA-1 in hex, a colon and a count, sorted by hash. It is searched by halves, some 36 reads that the
// system's cache mostly has; nothing is loaded, and no password or part of its hash goes anywhere. SHA-1 is the list's
// choice and protects nothing here.
type Breached struct {
	list io.ReaderAt
	size int64
	file io.Closer // nil when the list is the caller's
}

// OpenBreached opens a list. A list in another order or of other hashes is refused, as far as a few looks tell.
func OpenBreached(path string) (*Breached, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("list of breached passwords: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		return nil, fmt.Errorf("list of breached passwords %s: %w", path, errors.Join(err, file.Close()))
	}
	b, err := NewBreached(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("list of breached passwords %s: %w", path, errors.Join(err, file.Close()))
	}
	b.file = file
	return b, nil
}

// NewBreached takes a list from wherever it can be read.
func NewBreached(list io.ReaderAt, size int64) (*Breached, error) {
	b := &Breached{list: list, size: size}
	if size <= 0 {
		return nil, fmt.Errorf("it is empty: %w", ErrBreachList)
	}
	var last line
	for i := range int64(samples) {
		l, err := b.lineAt((size - 1) / (samples - 1) * i)
		if err != nil {
			return nil, err
		}
		if i > 0 && l.start != last.start && bytes.Compare(last.hash[:], l.hash[:]) >= 0 {
			return nil, fmt.Errorf("the line at byte %d comes too late: %w", l.start, ErrBreachList)
		}
		last = l
	}
	if _, err := b.lineAt(size - 1); err != nil {
		return nil, err
	}
	return b, nil
}

// Close closes the file.
func (b *Breached) Close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// Count is how often a password was seen in breaches; 0 is never.
func (b *Breached) Count(password secret.Text) (uint64, error) {
	text, err := prepare(password)
	if err != nil {
		return 0, err
	}
	wanted := sha1.Sum(text)
	for low, high := int64(0), b.size; low < high; {
		l, err := b.lineAt(low + (high-low)/2)
		if err != nil {
			return 0, err
		}
		switch order := bytes.Compare(l.hash[:], wanted[:]); {
		case order == 0:
			return l.count, nil
		case order < 0:
			low = l.end
		default:
			high = l.start
		}
	}
	return 0, nil
}

// line is one line of the list: bytes start to end, its newline included.
type line struct {
	start, end int64
	hash       [sha1.Size]byte
	count      uint64
}

// lineAt reads the line that a byte lies in.
func (b *Breached) lineAt(at int64) (line, error) {
	from := max(0, at-maxLine)
	var buffer [2*maxLine + 1]byte
	n, err := b.list.ReadAt(buffer[:min(int64(len(buffer)), b.size-from)], from)
	if err != nil && !errors.Is(err, io.EOF) {
		return line{}, fmt.Errorf("read the list of breached passwords: %w", err)
	}
	window, inside := buffer[:n], int(at-from)
	if inside >= n {
		return line{}, fmt.Errorf("the list ends at byte %d of %d: %w", from+int64(n), b.size, ErrBreachList)
	}
	begin := bytes.LastIndexByte(window[:inside], '\n') + 1
	if begin == 0 && from > 0 {
		return line{}, fmt.Errorf("the line at byte %d is too long: %w", at, ErrBreachList)
	}
	end := len(window)
	if newline := bytes.IndexByte(window[inside:], '\n'); newline >= 0 {
		end = inside + newline + 1
	}
	return parseLine(window[begin:end], from+int64(begin))
}

func parseLine(text []byte, start int64) (line, error) {
	l := line{start: start, end: start + int64(len(text))}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	fault := fmt.Errorf("the line at byte %d: %w", start, ErrBreachList)
	if len(text) < hashSigns+2 || len(text) > maxLine || text[hashSigns] != ':' {
		return line{}, fault
	}
	if _, err := hex.Decode(l.hash[:], text[:hashSigns]); err != nil {
		return line{}, fault
	}
	count, err := strconv.ParseUint(string(text[hashSigns+1:]), 10, 64)
	if err != nil {
		return line{}, fault
	}
	l.count = count
	return l, nil
}
