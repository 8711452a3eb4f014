package track

import (
	"encoding/binary"
	"hash/crc32"
)

// sealed puts the right magic, version and checksum on any bytes.
func sealed(raw []byte) []byte {
	b := append([]byte(nil), raw...)
	copy(b, magic)
	b[len(magic)] = version
	end := len(b) - 4
	binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli()))
	return b
}
