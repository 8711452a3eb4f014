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

// exporterHour is an exporter's hour since 1970.
type exporterHour struct {
	exporter uuid.UUID
	hour     int64
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

// released finds hours of which fewer samples would be quarantined now than were released: they would count twice.
func (r *Recounter) released(ctx context.Context, span Span, counted *Result) ([]string, error) {
	rows, err := r.pool.Query(ctx, releasedSQL, span.From, span.To)
	if err != nil {
		return nil, fmt.Errorf("read what was released from quarantine: %w", err)
	}
	var id uuid.UUID
	var hour time.Time
	var samples int64
	var all []string
	_, err = pgx.ForEachRow(rows, []any{&id, &hour, &samples}, func() error {
		if now := counted.quarantined[exporterHour{id, hour.Unix() / 3600}]; now < samples {
			all = append(all, fmt.Sprintf("in the hour of %s %d samples of exporter %s were released from quarantine, of which %d would not be quarantined by its rate bounds of now:"+
				" they would count twice; restore the bounds for the recount, or leave the hour out", hour.UTC().Format(time.RFC3339), samples, id, samples-now))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was released from quarantine: %w", err)
	}
	return all, nil
}
