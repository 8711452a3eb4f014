// Package keyring encrypts single values for the database: TOTP seeds, passwords of gateways and registrars. Whoever
// has the database alone, a dump or a backup, has none of them.
//
// There are two levels. A Ring holds the keys that values are sealed with (AES-256-GCM, by tink); it lies in the
// database too, but wrapped by a key-encryption key that does not: see Unwrap and KEK. A new KEK therefore means one row
// written anew, and a KMS is asked once in a process's life.
//
// A sealed value says which key sealed it and is bound to its Place. Moved to another row or column it does not open,
// so that nobody who can write to the database can have one customer's secret used as another's.
//
// Rotation is three steps, because processes read the ring at different times: Add gives a ring with a new key that
// nothing is sealed with yet; once every process has it, Promote makes it the primary; a job then goes over the rows
// with Renew, and when no row is left, Remove takes the old key away. A process that meets ErrUnknownKey should read
// the ring again before it complains. A Ring never changes: each step gives a new one.
//
// Nonces are random, 96 bits: a key is good for 2^32 values, which a hosting company does not have.
//
// The package knows no database: wrapped rings and sealed values are bytes (bytea).
package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/ezscale/platform/internal/secret"
)

const (
	maxPlain   = 64 << 10 // bytes of one value
	maxWrapped = 64 << 10 // bytes of a wrapped ring
	maxKeys    = 100      // of a ring

	tinkPrefix = 0x01 // then four bytes of key id; the nonce, the value and the tag follow
	prefixSize = 5
	nonceSize  = 12
	tagSize    = 16
	overhead   = prefixSize + nonceSize + tagSize

	ringLabel = "ezscale keyring 1" // associated data of a wrapped ring
)

var (
	// ErrUnknownKey is of a value sealed by a key that is not in the ring: newer than the ring, removed, or another's.
	ErrUnknownKey = errors.New("sealed by a key that is not in the ring")
	// ErrNotSealed is of bytes that are too short for a sealed value or do not begin like one.
	ErrNotSealed = errors.New("not a sealed value, or cut short")
	// ErrForeign is of a value that was sealed for another place, or has been altered or cut: nothing tells which.
	ErrForeign = errors.New("sealed for another place, or altered since")
	// ErrPlace is of a place with an empty part.
	ErrPlace = errors.New("a place needs table, column and row")
	// ErrTooLong is of a value that is too long to be a secret.
	ErrTooLong = errors.New("a secret has at most 64 KiB")
)

// Place is where a sealed value lies. Row is the row's id as text; for a key of several columns, all of them.
type Place struct{ Table, Column, Row string }

func (p Place) String() string { return p.Table + "." + p.Column + " of row " + p.Row }

// associated is the place in bytes, each part with its length before it: no two places have the same.
func (p Place) associated() ([]byte, error) {
	data := []byte("ezscale sealed 1")
	for _, part := range []string{p.Table, p.Column, p.Row} {
		if part == "" {
			return nil, ErrPlace
		}
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data, nil
}

// Ring is a set of keys, of which the primary seals. Any number of goroutines may use one.
type Ring struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	primary uint32
}

// New makes a ring with one new key.
func New() (*Ring, error) {
	manager := keyset.NewManager()
	id, err := addKey(manager)
	if err != nil {
		return nil, err
	}
	return promoted(manager, id)
}

func addKey(manager *keyset.Manager) (uint32, error) {
	parameters, err := gcm()
	if err != nil {
		return 0, err
	}
	id, err := manager.AddNewKeyFromParameters(parameters)
	if err != nil {
		return 0, fmt.Errorf("add a key to the ring: %w", err)
	}
	return id, nil
}

// gcm is AES-256-GCM whose ciphertexts begin with the id of their key.
func gcm() (*aesgcm.Parameters, error) {
	return aesgcm.NewParameters(aesgcm.ParametersOpts{KeySizeInBytes: 32, IVSizeInBytes: nonceSize, TagSizeInBytes: tagSize, Variant: aesgcm.VariantTink})
}

func promoted(manager *keyset.Manager, id uint32) (*Ring, error) {
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("make key %08x the primary: %w", id, err)
	}
	return ringOf(manager)
}

func ringOf(manager *keyset.Manager) (*Ring, error) {
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("make a ring: %w", err)
	}
	return newRing(handle)
}

func newRing(handle *keyset.Handle) (*Ring, error) {
	if handle.Len() > maxKeys {
		return nil, fmt.Errorf("the ring has %d keys, at most %d", handle.Len(), maxKeys)
	}
	for i := range handle.Len() {
		if entry, err := handle.Entry(i); err != nil || !isGCM(entry) {
			return nil, fmt.Errorf("key %d of the ring is not of AES-256-GCM", i)
		}
	}
	primary, err := handle.Primary()
	if err != nil {
		return nil, fmt.Errorf("the ring has no primary key: %w", err)
	}
	sealer, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("make a ring: %w", err)
	}
	return &Ring{handle: handle, aead: sealer, primary: primary.KeyID()}, nil
}

func isGCM(entry *keyset.Entry) bool {
	parameters, err := gcm()
	return err == nil && entry.KeyStatus() == keyset.Enabled && entry.Key().Parameters().Equal(parameters)
}

// Add gives a ring with one key more, that only reads until it is promoted, and its id.
func (r *Ring) Add() (*Ring, uint32, error) {
	manager := keyset.NewManagerFromHandle(r.handle)
	id, err := addKey(manager)
	if err != nil {
		return nil, 0, err
	}
	larger, err := ringOf(manager)
	return larger, id, err
}

// Promote gives a ring that seals with another of its keys.
func (r *Ring) Promote(id uint32) (*Ring, error) {
	if !r.has(id) {
		return nil, fmt.Errorf("promote key %08x: %w", id, ErrUnknownKey)
	}
	return promoted(keyset.NewManagerFromHandle(r.handle), id)
}

// Remove gives a ring without a key. What that key sealed is lost, so renew it before. The primary stays.
func (r *Ring) Remove(id uint32) (*Ring, error) {
	if !r.has(id) {
		return nil, fmt.Errorf("remove key %08x: %w", id, ErrUnknownKey)
	}
	manager := keyset.NewManagerFromHandle(r.handle)
	if err := manager.Delete(id); err != nil {
		return nil, fmt.Errorf("remove key %08x: %w", id, err)
	}
	return ringOf(manager)
}

// Primary is the id of the key that seals.
func (r *Ring) Primary() uint32 { return r.primary }

// Keys are the ids of all keys, oldest first.
func (r *Ring) Keys() []uint32 {
	var ids []uint32
	for _, key := range r.handle.KeysetInfo().GetKeyInfo() {
		ids = append(ids, key.GetKeyId())
	}
	return ids
}

func (r *Ring) has(id uint32) bool {
	for i := range r.handle.Len() {
		if entry, err := r.handle.Entry(i); err == nil && entry.KeyID() == id {
			return true
		}
	}
	return false
}

// String names the ring by its primary key and shows no key.
func (r *Ring) String() string {
	return fmt.Sprintf("ring of %d keys, primary %08x", r.handle.Len(), r.primary)
}

// Seal encrypts a value for its place, with the primary key.
func (r *Ring) Seal(value secret.Text, at Place) ([]byte, error) {
	data, err := at.associated()
	if err != nil {
		return nil, err
	}
	plain := []byte(value.Reveal())
	if len(plain) > maxPlain {
		return nil, ErrTooLong
	}
	sealed, err := r.aead.Encrypt(plain, data)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", at, err)
	}
	return sealed, nil
}

// Open decrypts a value that was sealed for this place by any key of the ring. Its errors are ErrNotSealed,
// ErrUnknownKey, ErrForeign and ErrPlace.
func (r *Ring) Open(sealed []byte, at Place) (secret.Text, error) {
	data, err := at.associated()
	if err != nil {
		return secret.Text{}, err
	}
	id, err := KeyOf(sealed)
	if err != nil {
		return secret.Text{}, fmt.Errorf("open %s: %w", at, err)
	}
	if !r.has(id) {
		return secret.Text{}, fmt.Errorf("open %s: key %08x: %w", at, id, ErrUnknownKey)
	}
	plain, err := r.aead.Decrypt(sealed, data)
	if err != nil {
		return secret.Text{}, fmt.Errorf("open %s: key %08x: %w", at, id, ErrForeign)
	}
	return secret.New(string(plain)), nil
}

// KeyOf is the id of the key that sealed a value.
func KeyOf(sealed []byte) (uint32, error) {
	if len(sealed) < overhead || len(sealed) > overhead+maxPlain || sealed[0] != tinkPrefix {
		return 0, ErrNotSealed
	}
	return binary.BigEndian.Uint32(sealed[1:prefixSize]), nil
}

// Current tells whether a value was sealed by the primary key, without opening it.
func (r *Ring) Current(sealed []byte) bool {
	id, err := KeyOf(sealed)
	return err == nil && id == r.primary
}

// Renew seals a value anew unless the primary key sealed it; renewed tells whether it did. The value is then the same
// one, so a row that has changed meanwhile must not be overwritten: update it where it still holds what was read.
func (r *Ring) Renew(sealed []byte, at Place) (fresh []byte, renewed bool, err error) {
	value, err := r.Open(sealed, at)
	if err != nil || r.Current(sealed) {
		return sealed, false, err
	}
	fresh, err = r.Seal(value, at)
	return fresh, err == nil, err
}

// Wrap encrypts the ring itself for the database.
func (r *Ring) Wrap(kek *KEK) ([]byte, error) {
	var out bytes.Buffer
	by := hearing{AEAD: kek.aead}
	if err := r.handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&out), &by, []byte(ringLabel)); err != nil {
		return nil, fmt.Errorf("wrap the ring by %s: %w", kek, by.or(err))
	}
	if out.Len() > maxWrapped {
		return nil, fmt.Errorf("the wrapped ring has %d bytes, at most %d", out.Len(), maxWrapped)
	}
	return out.Bytes(), nil
}

// Unwrap reads a wrapped ring. With several KEKs the first that fits opens it: while one KEK is exchanged for another,
// a process is given both, and the ring is wrapped by the new one as soon as all have it. wrappedBy tells which it was.
func Unwrap(wrapped []byte, keks ...*KEK) (ring *Ring, wrappedBy *KEK, err error) {
	if len(wrapped) == 0 || len(wrapped) > maxWrapped {
		return nil, nil, fmt.Errorf("a wrapped ring of %d bytes: %w", len(wrapped), ErrNotSealed)
	}
	encrypted, err := keyset.NewBinaryReader(bytes.NewReader(wrapped)).ReadEncrypted()
	if err != nil {
		return nil, nil, fmt.Errorf("a wrapped ring: %w: %w", ErrNotSealed, err)
	}
	faults := []error{errors.New("no key-encryption key opens the ring")}
	for _, kek := range keks {
		by := hearing{AEAD: kek.aead}
		handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), &by, []byte(ringLabel))
		if err == nil {
			ring, err = newRing(handle)
			return ring, kek, err
		}
		faults = append(faults, kek.why(encrypted.GetEncryptedKeyset(), by.or(err)))
	}
	return nil, nil, errors.Join(faults...)
}
