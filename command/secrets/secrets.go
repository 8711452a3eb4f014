// Package secrets decides about the ring of keys that secrets are sealed with: that there is one, which keys it has, and
// which of them seals. What a ring is, says internal/secret/keyring; who reads it, internal/secret/vault.
//
// An order brings the ring that it wants, wrapped: to wrap it may take a call to a KMS, and a handler makes none. It says
// which version that ring was made from, and is refused when another is there by then. What the ring is made of lies in
// the order and in the row in plain sight (ids of keys, never keys), so that the handler sees that it is asked for one
// step and no other, and the audit row tells which.
package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/schemas/events"
)

// Settle is how long a ring stays before the next step, unless the order cannot wait: every process has read it by then,
// with a reading to spare. Without it nothing is lost, but who has an old ring cannot open, or write, for a moment.
const Settle = 2 * time.Minute

const maxWrapped = 64 << 10 // bytes

// aggregateType is of the one ring, which no event is about: what changes is no business of anyone outside.
const aggregateType = "secret_ring"

// Next is the ring that an order puts in place.
type Next struct {
	From    int64         `json:"from"` // version that it was made from; 0: there is none
	Wrapped []byte        `json:"wrapped" audit:"redact"`
	KEK     string        `json:"kek"`
	KEKID   *vault.KeyID  `json:"kek_id"`
	Keys    []vault.KeyID `json:"keys"`
	Primary vault.KeyID   `json:"primary"`
}

// Ring is the answer of every order.
type Ring struct {
	Version int64 `json:"version"`
	command.Change
}

// fields are what can change of the ring, for the audit row.
type fields struct {
	KEK     string        `json:"kek"`
	KEKID   *vault.KeyID  `json:"kek_id"`
	Keys    []vault.KeyID `json:"keys"`
	Primary vault.KeyID   `json:"primary"`
}

func nextOf(from int64, ring *keyring.Ring, kek *keyring.KEK) (n Next, err error) {
	n = Next{From: from, KEK: kek.String(), Primary: vault.KeyID(ring.Primary())}
	if n.Wrapped, err = ring.Wrap(kek); err != nil {
		return Next{}, err
	}
	if id, ok := kek.ID(); ok {
		known := vault.KeyID(id)
		n.KEKID = &known
	}
	for _, key := range ring.Keys() {
		n.Keys = append(n.Keys, vault.KeyID(key))
	}
	return n, nil
}

// Aggregates is the one ring.
func (Next) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: aggregateType, ID: uuid.NewSHA1(uuid.Nil, []byte(aggregateType))}}
}

// Validate checks what every ring must be.
func (n Next) Validate() error {
	var f fault.Fields
	f.Check(n.From >= 0, "from", "is negative")
	f.Check(len(n.Wrapped) > 0 && len(n.Wrapped) <= maxWrapped, "wrapped", "has %d bytes, not 1 to %d", len(n.Wrapped), maxWrapped)
	f.Check(n.KEK != "", "kek", "is missing")
	f.Check(slices.Contains(n.Keys, n.Primary), "primary", "is not among the keys")
	return f.Err()
}

// was reads the ring that the order was made from, and locks it.
func (n Next) was(ctx context.Context, tx pgx.Tx) (vault.State, error) {
	state, err := vault.ReadForUpdate(ctx, tx)
	if errors.Is(err, vault.ErrNoRing) {
		return vault.State{}, fault.New(fault.NotFound, "no_ring", "there is no ring of keys yet: `ezscale secrets init` makes it")
	}
	if err == nil && state.Version != n.From {
		err = fault.New(fault.Conflict, "ring_changed", "the ring of keys has changed meanwhile (version %d, not %d): look again", state.Version, n.From)
	}
	return state, err
}

const updateRing = `
update secret_ring set version = version + 1, wrapped = $1, kek = $2, kek_id = $3, keys = $4, primary_key = $5, updated_at = clock_timestamp()
where version = $6`

// put puts the ring in the place of the one that was read.
func (n Next) put(ctx context.Context, tx pgx.Tx, was vault.State) (Ring, []events.Event, error) {
	if _, err := tx.Exec(ctx, updateRing, n.Wrapped, n.KEK, n.kekID(), n.keys(), int64(n.Primary), was.Version); err != nil {
		return Ring{}, nil, fmt.Errorf("write the ring of secrets: %w", err)
	}
	change := command.Change{Before: fields{was.KEK, was.KEKID, was.Keys, was.Primary}, After: fields{n.KEK, n.KEKID, n.Keys, n.Primary}}
	return Ring{Version: was.Version + 1, Change: change}, nil, nil
}

func (n Next) kekID() *int64 {
	if n.KEKID == nil {
		return nil
	}
	id := int64(*n.KEKID)
	return &id
}

func (n Next) keys() []int64 {
	all := make([]int64, len(n.Keys))
	for i, key := range n.Keys {
		all[i] = int64(key)
	}
	return all
}

// settled refuses a step too soon after the last.
func settled(was vault.State, atOnce bool) error {
	if left := Settle - was.Age; left > 0 && !atOnce {
		return fault.New(fault.Conflict, "ring_not_settled", "the ring changed %s ago, and processes read it every minute: try again in %s",
			was.Age.Round(time.Second), left.Round(time.Second))
	}
	return nil
}

// another says that an order brings a ring that does not come of its step.
func another(step string) error {
	return fault.New(fault.Invalid, "another_ring", "the ring is not the one that %s gives", step)
}

func noSuchKey(key vault.KeyID) error {
	return fault.New(fault.NotFound, "key_not_found", "the ring has no key %s: `ezscale secrets status` lists them", key)
}
