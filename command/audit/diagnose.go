package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// maxShift is how many rows may have been cut out, and the later ones numbered anew, for it to be recognised.
const maxShift = 64

// diagnose says what was done to the first row that does not fit. That something was done is certain; what, is
// the simplest that explains it.
func (v *verifier) diagnose(ctx context.Context, s *sealed) (*Finding, error) {
	found := func(kind, format string, args ...any) (*Finding, error) {
		return &Finding{Kind: kind, Sequence: s.sequence, Row: s.auditID, Detail: fmt.Sprintf(format, args...)}, nil
	}
	if !s.exists {
		return found(Deleted, "row %d, number %d of the chain, is gone", s.auditID, s.sequence)
	}
	if s.row.Next(v.at.hash, s.sequence, hashOf(s.personal)) == hashOf(s.hash) {
		return found(Changed, "request, address, user agent, input, outcome, before or after of row %d (%s) is not what was sealed", s.row.ID, s.row.Command)
	}
	next, err := v.seal(ctx, s.sequence+1)
	if err != nil {
		return nil, err
	}
	if next == nil || !next.exists {
		return found(Changed, "row %d (%s), or its seal, is not what was sealed", s.row.ID, s.row.Command)
	}
	if next.row.Next(v.at.hash, s.sequence, hashOf(next.personal)) == hashOf(next.hash) {
		if s.row.Next(hashOf(next.hash), next.sequence, hashOf(s.personal)) == hashOf(s.hash) {
			return found(Reordered, "row %d (%s) changed places with row %d", s.row.ID, s.row.Command, next.row.ID)
		}
		return found(Inserted, "row %d (%s) was put before row %d", s.row.ID, s.row.Command, next.row.ID)
	}
	if s.position().before(v.at.cursor) || next.position().before(s.position()) {
		return found(Reordered, "row %d (%s) is not in its place", s.row.ID, s.row.Command)
	}
	for shift := int64(1); shift <= maxShift; shift++ {
		if next.row.Next(hashOf(s.hash), next.sequence+shift, hashOf(next.personal)) == hashOf(next.hash) {
			return found(Deleted, "%d rows before row %d were cut out, and the later ones numbered anew", shift, s.row.ID)
		}
	}
	return found(Changed, "row %d (%s), or its seal, is not what was sealed", s.row.ID, s.row.Command)
}

// seal is one seal with its row; nil: there is none.
func (v *verifier) seal(ctx context.Context, sequence int64) (*sealed, error) {
	var s sealed
	err := v.db.QueryRow(ctx, sealSQL, sequence-1, sequence).Scan(s.scan()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit chain: %w", err)
	}
	return &s, nil
}

// missing says what a hole in the numbers means.
func (v *verifier) missing(ctx context.Context) (*Finding, error) {
	gone := v.at.sequence + 1
	var later int64
	if err := v.db.QueryRow(ctx, `select coalesce(min(seq), 0) from audit_seal where seq > $1`, gone).Scan(&later); err != nil {
		return nil, fmt.Errorf("read the audit chain: %w", err)
	}
	if later == 0 {
		return &Finding{Kind: Truncated, Sequence: gone, Detail: fmt.Sprintf("the chain ends at number %d, but the seals from number %d on are gone", v.end.sequence, gone)}, nil
	}
	return &Finding{Kind: Deleted, Sequence: gone, Detail: fmt.Sprintf("the seals of number %d to %d are gone", gone, later-1)}, nil
}
