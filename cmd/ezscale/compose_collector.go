package main

import (
	"context"

	"github.com/ezscale/platform/cmd/ezscale/topics"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/bandwidth"
	"github.com/ezscale/platform/schemas/events"
)

func (b *base) addCollector(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleQuery)
	if err != nil {
		return err
	}
	if err := topics.KeepRaw(ctx, b.kafka, events.TopicFlowsRaw, b.cfg); err != nil {
		b.log.Warn("EZSCALE_RAW_RETENTION not applied", "error", err) // a collector that cannot still collects
	}
	source := allowList{read: pool}
	one := collector.New(collector.Config{
		Listen: b.cfg.Collector.Listen, ListenNetFlow: b.cfg.Collector.ListenNetFlow, Sockets: b.cfg.Collector.Sockets, ReceiveBuffer: b.cfg.Collector.ReceiveBuffer,
		DataDir: b.cfg.DataDir + "/collector", Host: b.owner,
	}, collector.Dependencies{
		Kafka: b.kafka, Exporters: source.load, Now: machineNow, Offset: b.clock.Offset, Log: b.log, Metrics: b.registry,
	})
	b.process.Add("collector", one)
	b.collector = one
	b.check("collector", "look whether Kafka takes messages and the sFlow and NetFlow ports are free", one.Health)
	return nil
}

// allowList gives the collector its exporters when they have changed.
type allowList struct {
	read     query.Postgres
	snapshot string
}

func (a *allowList) load(ctx context.Context) ([]collector.Exporter, bool, error) {
	if a.snapshot != "" {
		changed, err := bandwidth.ExportersChanged(ctx, a.read, a.snapshot)
		if err != nil || !changed {
			return nil, false, err
		}
	}
	list, err := bandwidth.Exporters(ctx, a.read)
	if err != nil {
		return nil, false, err
	}
	a.snapshot = list.Snapshot
	exporters := make([]collector.Exporter, len(list.Exporters))
	for i, e := range list.Exporters {
		exporters[i] = collector.Exporter{ID: e.ID, Source: e.Source}
		if e.Agent != nil {
			exporters[i].Agent = *e.Agent
		}
	}
	return exporters, true, nil
}
