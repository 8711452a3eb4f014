package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
)

// Hash is what is stored of a secret that is random enough to need neither salt nor a slow hash: SHA-256. It is not
// secret, but is nobody's business either.
type Hash [sha256.Size]byte

// HashOf takes a stored hash from the database.
func HashOf(stored []byte) (Hash, error) {
	if len(stored) != sha256.Size {
		return Hash{}, fmt.Errorf("a stored hash has %d bytes, not %d", sha256.Size, len(stored))
	}
	return Hash(stored), nil
}

// Equal compares in constant time. A look-up by index leaks nothing either: nobody can choose the hash of what they try.
func (h Hash) Equal(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// String is short, for logs: enough to tell two apart, not enough to look anything up.
func (h Hash) String() string { return hex.EncodeToString(h[:4]) }
