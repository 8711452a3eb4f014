package audit

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// What can be wrong with the log.
const (
	Changed   = "changed"   // a row, or its seal, is not what was sealed
	Deleted   = "deleted"   // a row or its seal is gone
	Reordered = "reordered" // rows changed places
	Inserted  = "inserted"  // a row was put between others
	Truncated = "truncated" // the log ends before what was signed, or promised, of it
	Rewritten = "rewritten" // hashed anew: it agrees with itself, but not with a head
	Forged    = "forged"    // a head is not signed, or not by a key that is trusted
	Erased    = "erased"    // personal fields are gone and no order says so
)

// Finding is the first thing that is wrong.
type Finding struct {
	Kind     string `json:"kind"`
	Sequence int64  `json:"sequence,omitempty"` // place in the chain; 0: not in it
	Row      int64  `json:"row,omitempty"`      // id in table audit; 0: not known
	Detail   string `json:"detail"`
}

// Report is what a verification found.
type Report struct {
	Intact   bool       `json:"intact"`
	Rows     int64      `json:"rows"`    // of the chain, verified
	Heads    int64      `json:"heads"`   // verified, those from elsewhere among them
	Outside  int64      `json:"outside"` // those from elsewhere
	Trusted  bool       `json:"trusted"` // it was said from outside whose signatures count
	Signed   int64      `json:"signed"`  // the last number that a verified head is about
	SignedAt *time.Time `json:"signed_at,omitempty"`
	Erased   int64      `json:"erased"`   // rows whose personal fields were erased by order
	Unsealed int64      `json:"unsealed"` // rows that are too young to be in the chain, counted up to 10,000
	Finding  *Finding   `json:"finding,omitempty"`
}

// Options say what the log is held against.
type Options struct {
	Keys     []ed25519.PublicKey     // that may have signed; none: whatever key a head names
	Heads    []Head                  // that were taken elsewhere
	Progress func(done, total int64) // optional
	PageRows int64                   // rows a statement; default 5,000
}

const (
	defaultPage = 5000
	idPage      = 200_000 // ids a statement looks through for rows without a seal
)

// verifier walks the chain. What it remembers does not grow with the log, but for some bytes of each erased row.
type verifier struct {
	Options
	db      querier
	report  Report
	end     end
	at      end             // what is verified
	outside []Head          // Heads, in order; those to come
	heads   []Head          // of the database, in the page at work; those to come
	erased  map[int64]int64 // erased rows that no order has named yet: id to number
}

// Verify walks the whole chain in order, up to where it ends now, and stops at the first thing that is wrong. An error
// says that the log could not be read, not that something is wrong with it.
func Verify(ctx context.Context, db querier, options Options) (Report, error) {
	v := &verifier{Options: options, db: db, erased: map[int64]int64{}}
	v.PageRows = orElse(v.PageRows, defaultPage)
	if v.Progress == nil {
		v.Progress = func(int64, int64) {}
	}
	v.outside = slices.SortedFunc(slices.Values(v.Heads), func(a, b Head) int { return cmp.Compare(a.Sequence, b.Sequence) })
	v.report.Trusted = len(v.Keys) > 0
	finding, err := v.run(ctx)
	if err != nil {
		return v.report, err
	}
	v.report.Finding, v.report.Intact, v.report.Rows = finding, finding == nil, v.at.sequence
	v.report.Unsealed, _, err = measure(ctx, db)
	return v.report, err
}

func (v *verifier) run(ctx context.Context) (finding *Finding, err error) {
	if v.end, err = readEnd(ctx, v.db); err != nil {
		return nil, err
	}
	for _, h := range v.Heads {
		if finding := v.checkSignature(h); finding != nil {
			return finding, nil
		}
	}
	for v.at.sequence < v.end.sequence {
		if finding, err := v.page(ctx); finding != nil || err != nil {
			return finding, err
		}
		v.Progress(v.at.sequence, v.end.sequence)
	}
	for _, check := range []func(context.Context) (*Finding, error){v.checkEnd, v.checkUnsealed, v.checkErased} {
		if finding, err := check(ctx); finding != nil || err != nil {
			return finding, err
		}
	}
	return nil, nil
}

// sealSQL starts at seals, so that a row that is gone is missed.
const sealSQL = `select s.seq, s.audit_id, s.personal, s.hash, a.id is not null,
	coalesce(a.id, 0), coalesce(a.txid, '0'), coalesce(a.at, 'epoch'), a.recorded_at, coalesce(a.actor, ''), coalesce(a.command, ''),
	coalesce(a.aggregate_type, ''), coalesce(a.aggregate_id, '00000000-0000-0000-0000-000000000000'),
	a.salt, a.request_id, a.ip::text, a.user_agent, a.input::text, a.outcome::text, a.before::text, a.after::text
	from audit_seal s left join audit a on a.id = s.audit_id
	where s.seq > $1 and s.seq <= $2 order by s.seq`

// sealed is a seal with its row, if it is there.
type sealed struct {
	sequence, auditID int64
	personal, hash    []byte
	exists            bool
	row               Row
}

func (s *sealed) scan() []any {
	return append([]any{&s.sequence, &s.auditID, &s.personal, &s.hash, &s.exists}, s.row.scan()...)
}

func (s *sealed) position() position { return position{s.row.TxID, s.row.ID} }

func (p position) before(q position) bool { return p.txid < q.txid || p.txid == q.txid && p.id < q.id }

// page verifies the next rows, one at a time as they come off the wire.
func (v *verifier) page(ctx context.Context) (finding *Finding, err error) {
	from, to := v.at.sequence, min(v.at.sequence+v.PageRows, v.end.sequence)
	if v.heads, err = queryHeads(ctx, v.db, `select seq, hash, at, key, signature from audit_head where seq > $1 and seq <= $2 order by seq`, from, to); err != nil {
		return nil, err
	}
	suspect, finding, err := v.walk(ctx, from, to)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the audit chain: %w", err)
	case finding != nil:
		return finding, nil
	case suspect != nil:
		return v.diagnose(ctx, suspect)
	case v.at.sequence < to:
		return v.missing(ctx)
	}
	return nil, nil
}

// walk ends at the first row that is wrong (suspect) or a head that is (finding).
func (v *verifier) walk(ctx context.Context, from, to int64) (suspect *sealed, finding *Finding, err error) {
	rows, err := v.db.Query(ctx, sealSQL, from, to)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s sealed
		if err := rows.Scan(s.scan()...); err != nil {
			return nil, nil, err
		}
		if s.sequence != v.at.sequence+1 {
			return nil, nil, nil // the caller sees that the page is short
		}
		if !v.matches(&s) {
			return &s, nil, nil
		}
		v.take(&s)
		if finding := v.checkHeads(); finding != nil {
			return nil, finding, nil
		}
	}
	return nil, nil, rows.Err()
}

func (v *verifier) matches(s *sealed) bool {
	return s.exists && s.personalHolds() && s.row.Next(v.at.hash, s.sequence, hashOf(s.personal)) == hashOf(s.hash)
}

// personalHolds tells whether the personal fields are those that were sealed, or none.
func (s *sealed) personalHolds() bool {
	if s.row.Personal.Salt == nil {
		return s.row.Personal.IsEmpty()
	}
	return s.row.Personal.Commitment() == hashOf(s.personal)
}

func (v *verifier) take(s *sealed) {
	v.at = end{sequence: s.sequence, hash: hashOf(s.hash), cursor: s.position()}
	if s.row.Personal.Salt == nil {
		v.erased[s.row.ID] = s.sequence
		v.report.Erased++
	}
	if s.row.Command == CommandErase {
		v.ordered(s.row.Personal.Input)
	}
}

// ordered takes an order to erase.
func (v *verifier) ordered(input *string) {
	var order struct{ Rows []int64 }
	if input == nil || json.Unmarshal([]byte(*input), &order) != nil {
		return // no order at all
	}
	for _, id := range order.Rows {
		delete(v.erased, id)
	}
}

// checkHeads holds what was just verified against the heads of its number.
func (v *verifier) checkHeads() *Finding {
	before := v.report.Heads
	for _, heads := range []*[]Head{&v.outside, &v.heads} {
		for len(*heads) > 0 && (*heads)[0].Sequence == v.at.sequence {
			if finding := v.checkHead((*heads)[0]); finding != nil {
				return finding
			}
			v.confirmed((*heads)[0])
			*heads = (*heads)[1:]
		}
		if heads == &v.outside {
			v.report.Outside += v.report.Heads - before
		}
	}
	return nil
}

func (v *verifier) confirmed(h Head) {
	at := h.At.UTC()
	v.report.Heads, v.report.Signed, v.report.SignedAt = v.report.Heads+1, h.Sequence, &at
}

func (v *verifier) checkHead(h Head) *Finding {
	if finding := v.checkSignature(h); finding != nil {
		return finding
	}
	if h.Hash != v.at.hash {
		return &Finding{Kind: Rewritten, Sequence: v.report.Signed + 1, Detail: fmt.Sprintf("number %d had another hash when its head was signed at %s: rows from number %d to %d were changed and hashed anew",
			h.Sequence, h.At.UTC().Format(time.RFC3339), v.report.Signed+1, h.Sequence)}
	}
	return nil
}

func (v *verifier) checkSignature(h Head) *Finding {
	if !h.IsSigned() {
		return &Finding{Kind: Forged, Sequence: h.Sequence, Detail: fmt.Sprintf("the signature of the head at number %d is not one of its key %x", h.Sequence, []byte(h.Key))}
	}
	if len(v.Keys) > 0 && !slices.ContainsFunc(v.Keys, func(k ed25519.PublicKey) bool { return k.Equal(h.Key) }) {
		return &Finding{Kind: Forged, Sequence: h.Sequence, Detail: fmt.Sprintf("the head at number %d is signed by the key %x, which is none of those given", h.Sequence, []byte(h.Key))}
	}
	return nil
}

// checkEnd looks at what lies behind the last row.
func (v *verifier) checkEnd(ctx context.Context) (*Finding, error) {
	if v.at.hash != v.end.hash {
		return &Finding{Kind: Changed, Sequence: v.end.sequence, Detail: "the end of the chain is not the hash of its last row"}, nil
	}
	for _, h := range v.Heads {
		if h.Sequence > v.end.sequence {
			return v.cut(h), nil
		}
	}
	heads, err := queryHeads(ctx, v.db, `select h.seq, h.hash, h.at, h.key, h.signature from audit_head h, audit_chain c where h.seq > c.seq order by h.seq desc limit 1`)
	if err != nil {
		return nil, err
	}
	if len(heads) > 0 {
		return v.cut(heads[0]), nil
	}
	var sequence, id int64
	const beyond = `select coalesce(min(s.seq), 0), coalesce(min(s.audit_id), 0) from audit_seal s, audit_chain c where s.seq > c.seq`
	if err := v.db.QueryRow(ctx, beyond).Scan(&sequence, &id); err != nil {
		return nil, fmt.Errorf("look behind the end of the audit chain: %w", err)
	}
	if sequence > 0 {
		return &Finding{Kind: Inserted, Sequence: sequence, Row: id, Detail: "there is a seal behind the end of the chain"}, nil
	}
	return nil, nil
}

func (v *verifier) cut(h Head) *Finding {
	return &Finding{Kind: Truncated, Sequence: v.end.sequence + 1, Detail: fmt.Sprintf("the log ends with number %d, but at %s it had %d: the rows from number %d on are gone",
		v.end.sequence, h.At.UTC().Format(time.RFC3339), h.Sequence, v.end.sequence+1)}
}

// unsealedSQL goes on after an id, whatever ids there are, and gives the last one of a page. A row of a transaction that
// has not been yet was put there, unless the sealer is still at what a restore brought ($5).
const unsealedSQL = `
with page as (select id, txid from audit where $1::bigint is null or id > $1 order by id limit $2)
select max(a.id), min(a.id) filter (where s.seq is null
    and ((a.txid, a.id) <= ($3, $4) or not $5 and a.txid >= pg_snapshot_xmax(pg_current_snapshot())))
from page a left join audit_seal s on s.audit_id = a.id`

// checkUnsealed looks for rows that the sealer has passed, for they were not there, or never comes to.
func (v *verifier) checkUnsealed(ctx context.Context) (*Finding, error) {
	for after := (*int64)(nil); ; {
		var last, found *int64
		err := v.db.QueryRow(ctx, unsealedSQL, after, idPage, v.end.cursor.txid, v.end.cursor.id, v.end.restored).Scan(&last, &found)
		switch {
		case err != nil:
			return nil, fmt.Errorf("look for rows without a seal: %w", err)
		case found != nil:
			return &Finding{Kind: Inserted, Row: *found, Detail: fmt.Sprintf("row %d has no seal, and the sealer will not come to it: it was put there later, or its seal is gone", *found)}, nil
		case last == nil:
			return nil, nil
		}
		after = last
	}
}

// checkErased asks the orders that are not sealed yet, and names the first row that none has named.
func (v *verifier) checkErased(ctx context.Context) (*Finding, error) {
	if len(v.erased) == 0 {
		return nil, nil
	}
	rows, err := v.db.Query(ctx, `select input::text from audit where command = $1 and (txid, id) > ($2, $3)`, CommandErase, v.end.cursor.txid, v.end.cursor.id)
	if err != nil {
		return nil, fmt.Errorf("read the orders to erase: %w", err)
	}
	var input *string
	if _, err := pgx.ForEachRow(rows, []any{&input}, func() error { v.ordered(input); return nil }); err != nil {
		return nil, fmt.Errorf("read the orders to erase: %w", err)
	}
	var first *Finding
	for id, sequence := range v.erased {
		if first == nil || sequence < first.Sequence {
			first = &Finding{Kind: Erased, Sequence: sequence, Row: id, Detail: fmt.Sprintf("the personal fields of row %d are gone, and no order to erase them is in the log", id)}
		}
	}
	return first, nil
}
