package audit

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Head is a signed statement of what the chain was.
type Head struct {
	Sequence  int64
	Hash      Hash
	At        time.Time // of the machine that signed
	Key       ed25519.PublicKey
	Signature []byte
}

// Sign makes a head.
func Sign(key ed25519.PrivateKey, sequence int64, hash Hash, at time.Time) Head {
	h := Head{Sequence: sequence, Hash: hash, At: at.UTC().Truncate(time.Microsecond), Key: key.Public().(ed25519.PublicKey)}
	h.Signature = ed25519.Sign(key, h.signed())
	return h
}

// IsSigned tells whether the signature is one of the key that the head names.
func (h Head) IsSigned() bool {
	return len(h.Key) == ed25519.PublicKeySize && ed25519.Verify(h.Key, h.signed(), h.Signature)
}

func (h Head) signed() []byte {
	b := appendNumber(appendText(nil, domainHead), uint64(h.Sequence))
	return appendNumber(appendBytes(b, h.Hash[:]), uint64(h.At.UnixMicro()))
}

// headJSON is a head as it is exported: one line.
type headJSON struct {
	Sequence  int64     `json:"sequence"`
	Hash      string    `json:"hash"`      // hexadecimal
	At        time.Time `json:"at"`        // RFC 3339, microseconds
	Key       string    `json:"key"`       // hexadecimal, 32 bytes
	Signature string    `json:"signature"` // hexadecimal, 64 bytes
}

// MarshalJSON writes a head as it is exported.
func (h Head) MarshalJSON() ([]byte, error) {
	return json.Marshal(headJSON{h.Sequence, hex.EncodeToString(h.Hash[:]), h.At.UTC(), hex.EncodeToString(h.Key), hex.EncodeToString(h.Signature)})
}

// UnmarshalJSON reads an exported head. It checks the form, not the signature.
func (h *Head) UnmarshalJSON(text []byte) error {
	var in headJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return fmt.Errorf("read a head: %w", err)
	}
	*h = Head{Sequence: in.Sequence, At: in.At}
	for _, field := range []struct {
		name, text string
		length     int
		put        func([]byte)
	}{
		{"hash", in.Hash, len(h.Hash), func(b []byte) { h.Hash = Hash(b) }},
		{"key", in.Key, ed25519.PublicKeySize, func(b []byte) { h.Key = b }},
		{"signature", in.Signature, ed25519.SignatureSize, func(b []byte) { h.Signature = b }},
	} {
		b, err := hex.DecodeString(field.text)
		if err != nil || len(b) != field.length {
			return fmt.Errorf("read a head: %s is not %d bytes in hexadecimal", field.name, field.length)
		}
		field.put(b)
	}
	if in.Sequence <= 0 || in.At.IsZero() {
		return fmt.Errorf("read a head: sequence and at must be there")
	}
	return nil
}
