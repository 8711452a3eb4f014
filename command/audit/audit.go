// Package audit makes the log of what was ordered one that cannot be rewritten unseen: each row of table audit gets
// a place in a chain of hashes, the end of the chain is signed now and then, and Verify walks it all again.
//
// Commands do not wait for each other, so the chain is not made by them. A command's transaction adds its row; the
// Sealer, one at a time, takes rows in (transaction id, id) order below the snapshot horizon, where every transaction
// has ended (see package outbox for why no row can come later between those it has read), and gives them the numbers
// 1, 2, 3 … without a hole. So a row may be up to a second old before it is in the chain, and older for as long as
// any transaction of its time is still open.
//
// # The chain
//
//	hash(0) = 32 zero bytes
//	hash(n) = SHA-256(hash(n-1) ‖ sealed(n))
//
// sealed(n) and personal(n) are sequences of fields. A field is its length in bytes as 8 bytes, big endian, and then
// these bytes; the length of null is 2⁶⁴-1, with no byte after it. Numbers are 8 bytes, big endian, two's complement
// where they have a sign; times are microseconds since 1970 UTC, as numbers; texts are UTF-8; UUIDs are 16 bytes;
// JSON and addresses are the text that Postgres prints of jsonb and inet, so that spaces and the order of keys are not
// the writer's. Every field is always there, so that no two different rows give the same bytes.
//
//	sealed(n):   "ezscale audit row 1", n, id, txid, at, recorded_at, actor, command, aggregate_type, aggregate_id, commitment(n)
//	commitment:  SHA-256(personal(n))
//	personal(n): "ezscale audit personal 1", salt, request_id, ip, user_agent, input, outcome, before, after
//
// Personal fields are behind a salted hash of their own, which stays in audit_seal when they and their salt are
// erased: then nobody can find them out by guessing, and the chain still holds. What is sealed openly must therefore
// never name a person: an actor is an id.
//
// # Heads
//
// A head says that the chain had this hash at this number at this time. It is signed with Ed25519 over the fields
//
//	"ezscale audit head 1", n, hash(n), at
//
// Heads are worth most away from the database: whoever owns it can drop the triggers that guard the log, change a
// row and hash all later ones anew, but has neither the key nor the heads that were taken elsewhere.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// CommandErase is the command of rows that order the erasure of others' personal fields; their input lists the ids.
const CommandErase = "audit.Erase"

const (
	domainRow      = "ezscale audit row 1"
	domainPersonal = "ezscale audit personal 1"
	domainHead     = "ezscale audit head 1"
	nullLength     = ^uint64(0)
)

// Hash is SHA-256's.
type Hash = [sha256.Size]byte

// hashOf takes a stored hash as it is: who could change it, could cut it as well. What is too short is no row's hash.
func hashOf(stored []byte) (h Hash) {
	copy(h[:], stored)
	return h
}

// Row is a row of the log as it is hashed.
type Row struct {
	ID            int64
	TxID          uint64
	At            time.Time
	RecordedAt    *time.Time // of the server's clock; nil: before there was this column
	Actor         string
	Command       string
	AggregateType string
	AggregateID   uuid.UUID
	Personal      Personal
}

// Personal are the fields that can be erased. Salt is nil where they were.
type Personal struct {
	Salt      *uuid.UUID
	RequestID *string
	IP        *string
	UserAgent *string
	Input     *string // JSON, as Postgres prints it; so the next three
	Outcome   *string
	Before    *string
	After     *string
}

// IsEmpty tells that nothing is left.
func (p Personal) IsEmpty() bool { return p == Personal{} }

// Commitment is what the chain holds of personal fields that have their salt.
func (p Personal) Commitment() Hash {
	b := appendText(make([]byte, 0, 512), domainPersonal)
	if p.Salt == nil {
		b = appendNull(b)
	} else {
		b = appendBytes(b, p.Salt[:])
	}
	for _, field := range []*string{p.RequestID, p.IP, p.UserAgent, p.Input, p.Outcome, p.Before, p.After} {
		if field == nil {
			b = appendNull(b)
			continue
		}
		b = appendText(b, *field)
	}
	return sha256.Sum256(b)
}

// Encode is sealed(n): the row at its number, with its personal fields' commitment.
func (r Row) Encode(n int64, commitment Hash) []byte {
	b := appendText(make([]byte, 0, 512), domainRow)
	b = appendNumber(appendNumber(appendNumber(b, uint64(n)), uint64(r.ID)), r.TxID)
	b = appendNumber(b, uint64(r.At.UnixMicro()))
	if r.RecordedAt == nil {
		b = appendNull(b)
	} else {
		b = appendNumber(b, uint64(r.RecordedAt.UnixMicro()))
	}
	b = appendText(appendText(appendText(b, r.Actor), r.Command), r.AggregateType)
	b = appendBytes(b, r.AggregateID[:])
	return appendBytes(b, commitment[:])
}

// Next is the hash of a row at its number, after the row that has the hash previous.
func (r Row) Next(previous Hash, n int64, commitment Hash) Hash {
	h := sha256.New()
	h.Write(previous[:])
	h.Write(r.Encode(n, commitment))
	return Hash(h.Sum(nil))
}

func appendNumber(b []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, 8), n)
}

func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(text))), text...)
}

func appendBytes(b, field []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(field))), field...)
}

func appendNull(b []byte) []byte { return binary.BigEndian.AppendUint64(b, nullLength) }
