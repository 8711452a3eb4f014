package operator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Exporter is a registered device.
type Exporter struct {
	ID     uuid.UUID
	Name   string
	Source netip.Prefix
	Agent  netip.Addr // the zero Addr: any
}

// Exporters are all that are registered, by name.
func (p *Platform) Exporters(ctx context.Context) ([]Exporter, error) {
	rows, err := p.Pool.Query(ctx, "select id, name, source, agent from exporter order by name")
	if err != nil {
		return nil, fmt.Errorf("read the exporters: %w", err)
	}
	var e Exporter
	var agent *netip.Prefix
	var all []Exporter
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.Name, &e.Source, &agent}, func() error {
		if e.Agent = (netip.Addr{}); agent != nil {
			e.Agent = agent.Addr()
		}
		all = append(all, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the exporters: %w", err)
	}
	return all, nil
}

// Exporter finds one by name or id.
func (p *Platform) Exporter(ctx context.Context, reference string) (uuid.UUID, error) {
	return p.find(ctx, "exporter", "select id from exporter where name = $1 or id::text = $1", reference)
}

// Service finds one by name or id.
func (p *Platform) Service(ctx context.Context, reference string) (uuid.UUID, error) {
	return p.find(ctx, "service", "select id from service where name = $1 or id::text = $1", reference)
}

func (p *Platform) find(ctx context.Context, what, sql, reference string) (uuid.UUID, error) {
	var id uuid.UUID
	err := p.Pool.QueryRow(ctx, sql, reference).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return id, fmt.Errorf("there is no %s %q", what, reference)
	}
	if err != nil {
		return id, fmt.Errorf("find %s %q: %w", what, reference, err)
	}
	return id, nil
}

// Names are the names of exporters or services by id.
func (p *Platform) Names(ctx context.Context, table string) (map[uuid.UUID]string, error) {
	rows, err := p.Pool.Query(ctx, "select id, name from "+pgx.Identifier{table}.Sanitize())
	if err != nil {
		return nil, fmt.Errorf("read the names of each %s: %w", table, err)
	}
	names := map[uuid.UUID]string{}
	var id uuid.UUID
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		names[id] = name
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the names of each %s: %w", table, err)
	}
	return names, nil
}
