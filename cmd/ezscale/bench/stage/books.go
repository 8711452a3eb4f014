package stage

import (
	"context"
	"fmt"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
)

const beginSQL = `
with place as (insert into consumer_offset (consumer, topic, partition, next) values ('meter', $1, $2, $3))
insert into meter (partition, state_offset) values ($2, $3)`

// populate registers exporters and services: service i is 10.x.y.z, has a cycle around now, and never reaches its quota.
func (s *Stage) populate(ctx context.Context) error {
	type statement struct {
		sql       string
		arguments []any
	}
	from := time.Now().UTC().Truncate(time.Hour).Add(-24 * time.Hour)
	all := []statement{
		{`insert into customer (id, email, name, created_at) values (md5('customer')::uuid, 'bench@example.com', 'Bench', now())`, nil},
		{`insert into plan (id, name, price_minor, currency, interval, byte_basis, direction, thresholds, created_at)
			values (md5('plan')::uuid, 'bench', 500, 'USD', 'month', 'l2', 'sum', '{75,90,100}', now())`, nil},
		{`insert into service (id, name, customer_id, plan_id, since, anchor_day, created_at)
			select md5('service' || i)::uuid, 'svc-' || i, md5('customer')::uuid, md5('plan')::uuid, $2, 1, now() from generate_series(0, $1 - 1) i`, []any{s.cfg.Services, from}},
		{`insert into assignment (id, prefix, service_id, valid)
			select md5('assignment' || i)::uuid, set_masklen('10.0.0.0'::inet + i::bigint, 32), md5('service' || i)::uuid, tstzrange($2::timestamptz, null) from generate_series(0, $1 - 1) i`, []any{s.cfg.Services, from}},
		{`insert into cycle (id, service_id, plan_id, starts_at, ends_at, status, quota_bytes, byte_basis, direction, thresholds, currency)
			select md5('cycle' || i)::uuid, md5('service' || i)::uuid, md5('plan')::uuid, $2::timestamptz, $2::timestamptz + interval '30 days', 'open', 1e18, 'l2', 'sum', '{75,90,100}', 'USD'
			from generate_series(0, $1 - 1) i`, []any{s.cfg.Services, from}},
	}
	for i := range s.cfg.Exporters {
		all = append(all, statement{`insert into exporter (id, name, source, agent, count_policy, created_at) values (md5('exporter' || $1::text)::uuid, 'leaf-' || $1::text, $2::inet::cidr, $2::inet, 'ingress', now())`,
			[]any{fmt.Sprint(i), load.ExporterAddress(i).String()}})
	}
	for _, one := range append(all, statement{"analyze", nil}) {
		if _, err := s.Pool.Exec(ctx, one.sql, one.arguments...); err != nil {
			return fmt.Errorf("register the benchmark's exporters and services: %w", err)
		}
	}
	return nil
}

// Books are what the platform has counted, and what it knows to be lost.
type Books struct {
	load.Truth
	SequenceLost int64 // datagrams missing by their sequences
	KernelDrops  int64 // datagrams that the sockets could not hold
	SpoolDrops   int64 // datagrams dropped because Kafka was away
	Received     int64 // datagrams that the collector has taken, known exporters
	Unknown      int64
}

const booksSQL = `
with usage as (
    select coalesce(sum(bytes_in_l2), 0)::bigint as bytes_in, coalesce(sum(bytes_out_l2), 0)::bigint as bytes_out,
        coalesce(sum((substr(name, 5)::bigint + 1) * (samples_in + samples_out)), 0)::bigint as check
    from usage_hourly u join service s on s.id = u.service_id
), loss as (
    select coalesce(sum(datagrams), 0)::bigint as datagrams, coalesce(sum(samples), 0)::bigint as samples, coalesce(sum(datagrams_lost), 0)::bigint as lost from loss_hourly
), collectors as (
    select coalesce(sum(datagrams), 0)::bigint as datagrams, coalesce(sum(kernel_drops), 0)::bigint as kernel_drops,
        coalesce(sum(spool_drops), 0)::bigint as spool_drops, coalesce(sum(unknown_datagrams), 0)::bigint as unknown from collector
)
select loss.datagrams, loss.samples, usage.bytes_in, usage.bytes_out, usage.check, loss.lost,
    collectors.kernel_drops, collectors.spool_drops, collectors.datagrams, collectors.unknown
from usage, loss, collectors`

// Books reads them.
func (s *Stage) Books(ctx context.Context) (b Books, err error) {
	err = s.Pool.QueryRow(ctx, booksSQL).Scan(&b.Datagrams, &b.Samples, &b.BytesIn, &b.BytesOut, &b.Check, &b.SequenceLost,
		&b.KernelDrops, &b.SpoolDrops, &b.Received, &b.Unknown)
	if err != nil {
		return b, fmt.Errorf("read the benchmark's books: %w", err)
	}
	return b, nil
}

// Counted reads the part of the books that tells progress, cheaply: datagrams counted, and the collector's word.
func (s *Stage) Counted(ctx context.Context) (b Books, err error) {
	err = s.Pool.QueryRow(ctx, `select (select coalesce(sum(datagrams), 0)::bigint from loss_hourly), coalesce(sum(kernel_drops), 0)::bigint,
		coalesce(sum(spool_drops), 0)::bigint, coalesce(sum(datagrams), 0)::bigint, coalesce(sum(unknown_datagrams), 0)::bigint from collector`).
		Scan(&b.Datagrams, &b.KernelDrops, &b.SpoolDrops, &b.Received, &b.Unknown)
	if err != nil {
		return b, fmt.Errorf("read the benchmark's progress: %w", err)
	}
	return b, nil
}

// Delay is how old the newest counted datagram of the exporter that is furthest behind is; false before all have been heard.
func (s *Stage) Delay(ctx context.Context) (time.Duration, bool, error) {
	var heard int
	var seconds float64
	err := s.Pool.QueryRow(ctx, "select count(*), coalesce(extract(epoch from clock_timestamp() - min(last_at)), 0)::float8 from exporter_seen").Scan(&heard, &seconds)
	if err != nil {
		return 0, false, fmt.Errorf("read how old the counters are: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), heard == s.cfg.Exporters, nil
}
