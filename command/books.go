package command

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

const (
	lockSQL    = `select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key`
	storedSQL  = `select input_sha256, response from idempotency where actor = $1 and key = $2`
	versionSQL = `select coalesce((select version from aggregate where type = $1 and id = $2), 0)`
	auditSQL   = `insert into audit (at, actor, command, aggregate_type, aggregate_id, request_id, input, outcome, before, after, ip, user_agent)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	rememberSQL = `insert into idempotency (actor, key, command, input_sha256, response, created_at) values ($1, $2, $3, $4, $5, $6)`
)

// begin opens the transaction, takes the locks, and looks for an earlier run of the same key: all in one round
// trip. The locks come before any write, so the transaction has no id yet while it waits.
func (o *order) begin(ctx context.Context, tx *transaction) (stored []byte, err error) {
	var b pgx.Batch
	b.Queue("begin isolation level read committed")
	b.Queue(lockSQL, o.locks())
	if o.meta.Key != "" {
		b.Queue(storedSQL, o.meta.Actor, o.meta.Key)
	}
	if o.meta.ExpectedVersion != nil {
		b.Queue(versionSQL, o.aggregates[0].Type, o.aggregates[0].ID)
	}
	results := tx.open(ctx, &b)
	stored, err = o.readBegin(results)
	if closed := results.Close(); err == nil && closed != nil {
		err = closed
	}
	return stored, err
}

func (o *order) readBegin(results pgx.BatchResults) (stored []byte, err error) {
	for range 2 { // begin, locks
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
	}
	if o.meta.Key != "" {
		if stored, err = o.readStored(results.QueryRow()); err != nil {
			return nil, err
		}
	}
	if o.meta.ExpectedVersion == nil {
		return stored, nil
	}
	var version int64
	if err := results.QueryRow().Scan(&version); err != nil {
		return nil, fmt.Errorf("read the version of %s: %w", o.aggregates[0].Subject(), err)
	}
	if want := *o.meta.ExpectedVersion; stored == nil && version != want {
		return nil, fault.New(fault.Conflict, "version_mismatch", "%s has version %d, not %d", o.aggregates[0].Type, version, want)
	}
	return stored, nil
}

func (o *order) readStored(row pgx.Row) ([]byte, error) {
	var hash, response []byte
	err := row.Scan(&hash, &response)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for an earlier run: %w", err)
	}
	if !slices.Equal(hash, o.hash[:]) {
		return nil, fault.New(fault.Conflict, "idempotency_key_reused", "the idempotency key was used before with another input")
	}
	return response, nil
}

// locks gives the advisory lock keys of the aggregates and of the idempotency key, sorted, so that two commands
// never wait for each other in a circle. Two names with one hash only wait for each other without need.
func (o *order) locks() []int64 {
	keys := make([]int64, 0, len(o.aggregates)+1)
	for _, a := range o.aggregates {
		keys = append(keys, lockKey("aggregate", a.Type, string(a.ID[:])))
	}
	if o.meta.Key != "" {
		keys = append(keys, lockKey("idempotency", o.meta.Actor, o.meta.Key))
	}
	slices.SortFunc(keys, cmp.Compare[int64])
	return slices.Compact(keys)
}

func lockKey(parts ...string) int64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	return int64(h.Sum64())
}

// finish writes events, audit row and idempotency record, and commits: in one round trip, unless an event's
// aggregate has yet to prove that it is new.
func (o *order) finish(ctx context.Context, tx *transaction, result any, evs []events.Event) error {
	var b pgx.Batch
	if len(evs) > 0 {
		if err := outbox.Queue(&b, o.meta.Now, o.meta.NewID, o.aggregates, evs); err != nil {
			return err
		}
	}
	if err := o.queueAudit(&b, result); err != nil {
		return err
	}
	if o.meta.Key != "" {
		response, err := json.Marshal(result)
		if err != nil {
			return fmt.Errorf("write the response of %s as JSON: %w", o.name, err)
		}
		b.Queue(rememberSQL, o.meta.Actor, o.meta.Key, o.name, o.hash[:], json.RawMessage(response), o.meta.Now)
	}
	if o.allLocked(evs) {
		return tx.sendAndCommit(ctx, &b, len(evs) > 0)
	}
	if err := tx.send(ctx, &b, len(evs) > 0); err != nil {
		return err
	}
	return tx.sendAndCommit(ctx, &pgx.Batch{}, false)
}

// queueAudit adds the audit row, which the sealer chains to those before it once it is committed.
func (o *order) queueAudit(b *pgx.Batch, result any) error {
	outcome, err := outcomeOf(result)
	if err != nil {
		return fmt.Errorf("write the outcome of %s as JSON: %w", o.name, err)
	}
	before, after, err := changesOf(result, o.shapes)
	if err != nil {
		return fmt.Errorf("write the changes of %s as JSON: %w", o.name, err)
	}
	var ip *netip.Addr
	if o.meta.IP.IsValid() {
		ip = &o.meta.IP
	}
	var userAgent *string
	if o.meta.UserAgent != "" {
		userAgent = &o.meta.UserAgent
	}
	main := o.aggregates[0]
	b.Queue(auditSQL, o.meta.Now, o.meta.Actor, o.name, main.Type, main.ID, o.meta.RequestID, json.RawMessage(o.audit), outcome, before, after, ip, userAgent)
	return nil
}

// outcomeOf is what the audit row says of the answer; nil: nothing.
func outcomeOf(result any) ([]byte, error) {
	audited, ok := result.(Audited)
	if !ok {
		return nil, nil
	}
	return json.Marshal(audited.Outcome())
}

func (o *order) allLocked(evs []events.Event) bool {
	for _, e := range evs {
		if !slices.Contains(o.aggregates, e.Aggregate()) {
			return false
		}
	}
	return true
}
