package meter

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/metering/meter/books"
	"github.com/ezscale/platform/metering/meter/count"
)

//go:embed sql/correct.sql
var correctSQL string

const (
	// corrector is the partition whose meter takes corrections: one, so that none is taken twice at a time.
	corrector = 0

	// maxCorrections bounds those of one flush.
	maxCorrections = 5_000
)

// corrects tells whether corrections may wait: they leave a change of attribution behind.
func (s *session) corrects() bool { return s.partition == corrector && s.corrected != s.view.Version }

// correct takes corrections into the counters, and adds to this flush's cycles what belongs to them. more tells that it took
// as many as one flush may.
func (s *session) correct(ctx context.Context, tx pgx.Tx) (more bool, err error) {
	found, err := tx.Query(ctx, correctSQL, s.cfg.Now(), maxCorrections, s.partition)
	if err != nil {
		return false, fmt.Errorf("take corrections: %w", err)
	}
	var cycle *uuid.UUID
	var service uuid.UUID
	var u count.Usage
	var taken int
	s.uncovered = false
	_, err = pgx.ForEachRow(found, append(append([]any{&cycle, &service}, books.Fields(&u)...), &taken), func() error {
		if cycle == nil {
			s.uncovered = true
			return nil
		}
		s.waiting.Add(books.CycleKey{Service: service, Cycle: *cycle, Terms: s.view.Terms(*cycle)}, &u)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("take corrections: %w", err)
	}
	s.metrics.corrections.Add(float64(taken))
	return taken == maxCorrections, nil
}

// lookForCorrections asks for news even when no message comes, and flushes when some may wait.
func (s *session) lookForCorrections(ctx context.Context) error {
	if s.partition != corrector || s.elapsed(s.lookedAt) < s.cfg.IdleInterval {
		return nil
	}
	s.lookedAt = s.cfg.Machine()
	s.viewed = false
	if err := s.refresh(ctx); err != nil {
		return s.afterFailure(ctx, err)
	}
	return s.flushIf(ctx, s.corrects())
}
