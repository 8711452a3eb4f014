package bandwidth

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// AllowedExporter is what a collector must know of an exporter: who it is and where it may send from.
type AllowedExporter struct {
	ID     uuid.UUID
	Source netip.Prefix
	Agent  *netip.Addr // nil: any agent of that source
}

// AllowList is the exporters as of one snapshot of the database.
type AllowList struct {
	Exporters []AllowedExporter
	Snapshot  string // pg_current_snapshot, for ExportersChanged
}

//go:embed allow_list.sql
var allowListSQL string

//go:embed allow_list_changed.sql
var allowListChangedSQL string

// Exporters reads every exporter's id, source prefix and agent, and the snapshot it saw, in one statement.
func Exporters(ctx context.Context, db query.Postgres) (AllowList, error) {
	rows, err := db.Query(ctx, allowListSQL)
	if err != nil {
		return AllowList{}, fmt.Errorf("read the exporters: %w", err)
	}
	defer rows.Close()
	var list AllowList
	for rows.Next() {
		var id *uuid.UUID // null on the one row of an empty table
		var source *netip.Prefix
		var agent *netip.Addr
		if err := rows.Scan(&list.Snapshot, &id, &source, &agent); err != nil {
			return AllowList{}, fmt.Errorf("read the exporters: %w", err)
		}
		if id != nil && source != nil {
			list.Exporters = append(list.Exporters, AllowedExporter{ID: *id, Source: *source, Agent: agent})
		}
	}
	if err := rows.Err(); err != nil {
		return AllowList{}, fmt.Errorf("read the exporters: %w", err)
	}
	if list.Snapshot == "" {
		return AllowList{}, errors.New("read the exporters: no snapshot came back")
	}
	return list, nil
}

// ExportersChanged tells whether a change of exporters, services or prefixes has become visible since the
// snapshot was taken. It asks for transactions, not for times or serials: one that began before the snapshot
// and committed after it is found all the same.
func ExportersChanged(ctx context.Context, db query.Postgres, snapshot string) (bool, error) {
	var changed bool
	if err := db.QueryRow(ctx, allowListChangedSQL, snapshot).Scan(&changed); err != nil {
		return false, fmt.Errorf("look for changed exporters: %w", err)
	}
	return changed, nil
}
