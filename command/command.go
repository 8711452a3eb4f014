// Package command is the write side's kernel. A command is a struct: its fields are the order, its Handle
// decides and writes one context inside a transaction that Run owns. A handler has no clock, no source of ids
// and no network: Meta brings the time and new ids, and what must be said to the world is an event.
//
// Run promises, and only Run:
//
//   - All or nothing: state, events, audit row and idempotency record commit together.
//   - Once per key: the same actor, key and input give the stored response, also when two run at once; the
//     same key with another input is a conflict.
//   - One order per aggregate: every aggregate that the command writes events about is locked before the
//     transaction writes anything, so that transaction ids follow the order of the aggregate's versions, and
//     the relay, which reads by transaction id, publishes them in that order.
//   - Serialization failures and deadlocks are repeated, a few times, after a jittered pause.
//
// Isolation is read committed, on purpose: the aggregate locks order what belongs together, each statement after
// them sees all that was committed before, and nothing is repeated for a mere overlap. What spans aggregates is
// held by constraints (unique, exclusion, foreign key; see Constrained) or by locking rows in the handler.
package command

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/schemas/events"
)

// Meta is what surrounds one run of a command.
type Meta struct {
	Actor           string           // who orders: "staff:…", "customer:…", "policy:…"; an id, never a name or mail address
	Key             string           // idempotency key, at most 255 bytes; empty: none
	RequestID       string           // for the log and the audit row
	IP              netip.Addr       // where the request came from; the zero Addr: no request
	UserAgent       string           // what sent it; empty: no request
	Now             time.Time        // the business clock
	NewID           func() uuid.UUID // with a Key, use KeyedIDs
	ExpectedVersion *int64           // of the main aggregate; nil: any
}

// Command is one order. R is its answer, which must survive JSON: it is stored under the idempotency key.
type Command[R any] interface {
	// Name is context and verb: "billing.CloseCycle".
	Name() string
	// Validate checks what can be checked without the database. It gives a fault.Invalid naming the fields.
	Validate() error
	// Aggregates names what the command will write events about, known before the transaction: new ids are
	// fields of the command, taken by its caller from Meta.NewID. The first is the main one, whose version
	// is checked and which the audit row names. An event about any other aggregate must be its first.
	Aggregates() []events.Aggregate
	// Handle decides and writes. Its error ends the transaction; a *fault.Error reaches the caller as it is.
	Handle(ctx context.Context, tx pgx.Tx, meta Meta) (R, []events.Event, error)
}

// Constrained is a command that knows what a violated constraint means to its caller, by the constraint's name.
type Constrained interface {
	Constraints() map[string]*fault.Error
}

// Audited is an answer with figures that belong into the audit row, beside the input: what an order came to when it
// names its objects by a rule. Outcome must survive JSON and hold no secret.
type Audited interface {
	Outcome() any
}

// Changed is an answer that knows what of its object the command changed, for the audit row. Every command that changes
// something that was there gives one; internal/house lists the others.
type Changed interface {
	Changed() Change
}

// Secret is a text that is written to the database by its handler and nowhere else: in the audit row, in logs and
// in JSON it is "[redacted]". Reveal gives the text itself. Fields of other types are kept out of the audit row
// with the tag `audit:"redact"`.
type Secret = secret.Text

// Redacted stands where a secret was.
const Redacted = secret.Redacted

// KeyedIDs draws the ids of one run from its actor and key: a repeated request draws the same ids, is the same
// input, and so finds its stored response. They are version 8 UUIDs (RFC 9562): 122 bits of SHA-256.
func KeyedIDs(actor, key string) func() uuid.UUID {
	var drawn uint64
	return func() uuid.UUID {
		drawn++
		h := sha256.New()
		for _, part := range []string{actor, key} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			h.Write([]byte(part))
		}
		h.Write(binary.BigEndian.AppendUint64(nil, drawn))
		id := uuid.UUID(h.Sum(nil)[:16])
		id[6] = id[6]&0x0f | 0x80
		id[8] = id[8]&0x3f | 0x80
		return id
	}
}
