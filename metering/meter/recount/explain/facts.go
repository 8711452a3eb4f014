package explain

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ezscale/platform/metering/meter/recount"
)

var (
	//go:embed sql/assignments.sql
	assignmentsSQL string
	//go:embed sql/corrections.sql
	correctionsSQL string
	//go:embed sql/evidence.sql
	evidenceSQL string
	//go:embed sql/quarantined.sql
	quarantinedSQL string
	//go:embed sql/losses.sql
	lossesSQL string
)

// assignment is a prefix of the service.
type assignment struct {
	prefix   netip.Prefix
	from, to int64 // Unix nanoseconds; to 0: lasts
}

// facts are what the database knows about the hour.
type facts struct {
	explanation Explanation
	names       map[uuid.UUID]string // of exporters
	assignments []assignment         // longest prefix first
}

// readFacts reads all of it from one snapshot.
func readFacts(ctx context.Context, pool *pgxpool.Pool, service uuid.UUID, hour time.Time) (*facts, error) {
	f := &facts{names: map[uuid.UUID]string{}}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, pool, options, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select name from service where id = $1", service).Scan(&f.explanation.Service); err != nil {
			return fmt.Errorf("find service %s: %w", service, err)
		}
		for _, read := range []func(context.Context, pgx.Tx, uuid.UUID, time.Time) error{f.readNames, f.readAssignments, f.readCorrections, f.readRows} {
			if err := read(ctx, tx, service, hour); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is known of the hour: %w", err)
	}
	return f, nil
}

func (f *facts) readNames(ctx context.Context, tx pgx.Tx, _ uuid.UUID, _ time.Time) error {
	rows, err := tx.Query(ctx, "select id, name from exporter")
	if err != nil {
		return err
	}
	var id uuid.UUID
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		f.names[id] = name
		return nil
	})
	return err
}

func (f *facts) readAssignments(ctx context.Context, tx pgx.Tx, service uuid.UUID, hour time.Time) error {
	rows, err := tx.Query(ctx, assignmentsSQL, service, hour)
	if err != nil {
		return err
	}
	var prefix netip.Prefix
	var from time.Time
	var to *time.Time
	_, err = pgx.ForEachRow(rows, []any{&prefix, &from, &to}, func() error {
		one := assignment{prefix: prefix, from: from.UnixNano()}
		if to != nil {
			one.to = to.UnixNano()
		}
		f.assignments = append(f.assignments, one)
		return nil
	})
	slices.SortStableFunc(f.assignments, func(a, b assignment) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return err
}

func (f *facts) readCorrections(ctx context.Context, tx pgx.Tx, service uuid.UUID, hour time.Time) error {
	rows, err := tx.Query(ctx, correctionsSQL, service, hour)
	if err != nil {
		return err
	}
	var c Correction
	var exporter uuid.UUID
	f.explanation.Corrections = []Correction{}
	_, err = pgx.ForEachRow(rows, []any{&exporter, &c.Kind, &c.Reason, &c.BytesIn, &c.BytesOut, &c.CreatedAt, &c.AppliedAt}, func() error {
		c.Exporter = f.exporter(exporter)
		f.explanation.Corrections = append(f.explanation.Corrections, c)
		c.AppliedAt = nil
		return nil
	})
	return err
}

func (f *facts) readRows(ctx context.Context, tx pgx.Tx, service uuid.UUID, hour time.Time) error {
	var err error
	if f.explanation.Evidence, err = all[Evidence](ctx, tx, evidenceSQL, service, hour); err != nil {
		return err
	}
	if f.explanation.Quarantined, err = all[Quarantined](ctx, tx, quarantinedSQL, service, hour); err != nil {
		return err
	}
	f.explanation.Losses, err = all[Loss](ctx, tx, lossesSQL, service, hour)
	return err
}

// all reads rows whose columns are in the order of T's fields.
func all[T any](ctx context.Context, tx pgx.Tx, sql string, arguments ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

func (f *facts) exporter(id uuid.UUID) string {
	if name, ok := f.names[id]; ok {
		return name
	}
	return "others"
}

// prefix is the service's prefix that an address was in.
func (f *facts) prefix(address netip.Addr, at int64) netip.Prefix {
	for _, a := range f.assignments {
		if at >= a.from && (a.to == 0 || at < a.to) && a.prefix.Contains(address) {
			return a.prefix
		}
	}
	return netip.Prefix{}
}

// sums sets the log beside the books, by exporter.
func (f *facts) sums(b *recount.Books, counted recount.Sums) []Sum {
	sums := []Sum{}
	for _, k := range recount.Keys(b.Usage, counted) {
		corrected := b.Applied[k]
		sums = append(sums, Sum{
			Exporter: f.exporter(k.Exporter), Counted: usageOf(counted[k]), Corrected: usageOf(corrected), Books: usageOf(b.Usage[k]),
			Difference: usageOf(recount.Less(b.Usage[k], counted[k], corrected)),
		})
	}
	return sums
}
