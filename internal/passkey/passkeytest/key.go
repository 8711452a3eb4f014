package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
)

// Algorithm is a COSE algorithm (RFC 9053, RFC 8812). Zero is ES256.
type Algorithm int64

// What authenticators have.
const (
	ES256 Algorithm = -7
	EdDSA Algorithm = -8
	RS256 Algorithm = -257
)

func (a Algorithm) orDefault() Algorithm {
	if a == 0 {
		return ES256
	}
	return a
}

func (a Algorithm) generate() (crypto.Signer, error) {
	switch a {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("no keys of algorithm %d", a)
}

// sign signs authenticator data and the hash of client data.
func (k *key) sign(data, client []byte) ([]byte, error) {
	hash := sha256.Sum256(client)
	message := slices.Concat(data, hash[:])
	if k.algorithm == EdDSA {
		return k.signer.Sign(rand.Reader, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// public is the COSE_Key, its labels in CTAP2's order.
func (k *key) public() ([]byte, error) {
	switch public := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			return nil, err
		}
		return cborMap(cborInt(1), cborInt(2), cborInt(3), cborInt(int64(ES256)), cborInt(-1), cborInt(1),
			cborInt(-2), cborBytes(point[1:33]), cborInt(-3), cborBytes(point[33:])), nil
	case ed25519.PublicKey:
		return cborMap(cborInt(1), cborInt(1), cborInt(3), cborInt(int64(EdDSA)), cborInt(-1), cborInt(6), cborInt(-2), cborBytes(public)), nil
	case *rsa.PublicKey:
		return cborMap(cborInt(1), cborInt(3), cborInt(3), cborInt(int64(RS256)), cborInt(-1), cborBytes(public.N.Bytes()),
			cborInt(-2), cborBytes(big.NewInt(int64(public.E)).Bytes())), nil
	}
	return nil, fmt.Errorf("no COSE key of %T", k.signer.Public())
}

// The little of CBOR (RFC 8949) that is needed. Maps are given as keys and values in turn.

func cborHead(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	}
	return binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
}

func cborInt(n int64) []byte {
	if n < 0 {
		return cborHead(1, uint64(-1-n))
	}
	return cborHead(0, uint64(n))
}

func cborBytes(b []byte) []byte { return append(cborHead(2, uint64(len(b))), b...) }

func cborText(s string) []byte { return append(cborHead(3, uint64(len(s))), s...) }

func cborArray(items ...[]byte) []byte {
	return append(cborHead(4, uint64(len(items))), slices.Concat(items...)...)
}

func cborMap(pairs ...[]byte) []byte {
	return append(cborHead(5, uint64(len(pairs)/2)), slices.Concat(pairs...)...)
}
