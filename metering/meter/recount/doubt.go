package recount

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/doubts.sql
	doubtsSQL string
	//go:embed sql/released.sql
	releasedSQL string
)

// aside names samples in quarantine: of an exporter's hour since 1970, at the rate that they state.
type aside struct {
	exporter   uuid.UUID
	hour, rate int64
}

// Doubts are reasons, in sentences, why a recount of the span may not be what the meter would come to: corrections must
// not be made from it.
func (r *Recounter) Doubts(ctx context.Context, span Span, counted *Result) ([]string, error) {
	silent, err := r.silentPorts(ctx, span)
	if err != nil {
		return nil, err
	}
	released, err := r.released(ctx, span, counted)
	return append(silent, released...), err
}

// silentPorts finds bound ports whose first reading of the span goes on from one that the recount does not see.
func (r *Recounter) silentPorts(ctx context.Context, span Span) ([]string, error) {
	rows, err := r.pool.Query(ctx, doubtsSQL, span.From, int64((time.Hour - Margin).Seconds()))
	if err != nil {
		return nil, fmt.Errorf("look for silent ports: %w", err)
	}
	var exporter string
	var port, seconds int64
	var all []string
	_, err = pgx.ForEachRow(rows, []any{&exporter, &port, &seconds}, func() error {
		all = append(all, fmt.Sprintf("port %d of %s sent no counters for the %d seconds before %s: begin the span earlier, where it did",
			port, exporter, seconds, span.From.Format(time.RFC3339)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for silent ports: %w", err)
	}
	return all, nil
}

// released finds hours of which fewer samples would be quarantined now than were released, or still may be: they would count
// twice.
func (r *Recounter) released(ctx context.Context, span Span, counted *Result) ([]string, error) {
	rows, err := r.pool.Query(ctx, releasedSQL, span.From, span.To)
	if err != nil {
		return nil, fmt.Errorf("read what is in quarantine: %w", err)
	}
	var now, was aside
	var hour time.Time
	var samples, twice int64
	var all []string
	tell := func() {
		if twice > 0 {
			all = append(all, fmt.Sprintf("in the hour of %s exporter %s has samples in quarantine that are released or may be, of which %d would not be quarantined by"+
				" the settings of now: they would count twice; reject those that wait, restore its rate bounds for the recount, or leave the hour out",
				time.Unix(was.hour*3600, 0).UTC().Format(time.RFC3339), was.exporter, twice))
		}
	}
	_, err = pgx.ForEachRow(rows, []any{&now.exporter, &hour, &now.rate, &samples}, func() error {
		if now.hour = hour.Unix() / 3600; now.exporter != was.exporter || now.hour != was.hour {
			tell()
			was, twice = now, 0
		}
		twice += max(samples-counted.quarantined[now], 0)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is in quarantine: %w", err)
	}
	tell()
	return all, nil
}
