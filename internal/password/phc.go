package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	saltSize = 16 // bytes, of new hashes
	keySize  = 32

	// Bounds of what is read: a hash out of a bad import must not take a server's memory or its day.
	maxEncoded = 256       // bytes of the whole string
	maxMemory  = 256 << 10 // KiB
	maxTime    = 16
	maxThreads = 4
	minSalt    = 8
	maxSalt    = 48
	minKey     = 16
	maxKey     = 64

	argonVersion = 19 // 0x13
)

var errPHC = errors.New("not an argon2id hash in PHC format")

// phc is $argon2id$v=19$m=65536,t=3,p=1$salt$key with salt and key in base64 without padding.
type phc struct {
	params    Params
	salt, key []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argonVersion, p.params.Memory, p.params.Time, p.params.Threads,
		b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

func (p Params) validate() error {
	if p.Threads < 1 || p.Threads > maxThreads || p.Time < 1 || p.Time > maxTime || p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory {
		return fmt.Errorf("argon2id with m=%d, t=%d, p=%d: memory is 8 KiB a lane to %d KiB, passes 1 to %d, lanes 1 to %d",
			p.Memory, p.Time, p.Threads, maxMemory, maxTime, maxThreads)
	}
	return nil
}

// parsePHC reads a hash. There is one way to write each: what would be written otherwise is refused.
func parsePHC(text string) (phc, error) {
	if len(text) > maxEncoded {
		return phc{}, errPHC
	}
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return phc{}, errPHC
	}
	params, ok := parseParams(parts[3])
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	read := phc{params: params, salt: salt, key: key}
	sized := len(salt) >= minSalt && len(salt) <= maxSalt && len(key) >= minKey && len(key) <= maxKey
	if !ok || saltErr != nil || keyErr != nil || params.validate() != nil || !sized || read.String() != text {
		return phc{}, errPHC
	}
	return read, nil
}

func parseParams(text string) (Params, bool) {
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return Params{}, false
	}
	var numbers [3]uint64
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(parts[i], name)
		number, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil {
			return Params{}, false
		}
		numbers[i] = number
	}
	if numbers[2] > maxThreads {
		return Params{}, false
	}
	return Params{Memory: uint32(numbers[0]), Time: uint32(numbers[1]), Threads: uint8(numbers[2])}, true
}

// outdated tells whether the hash is weaker than a new one would be.
func (p phc) outdated(now Params) bool {
	return p.params.weaker(now) || len(p.salt) < saltSize || len(p.key) < keySize
}
