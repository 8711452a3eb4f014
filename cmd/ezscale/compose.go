package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/collector"
	"github.com/ezscale/platform/metering/meter"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/bandwidth"
)

// Each add… function adds the parts of one role to the process, in the order in which they start.

// commands gives the place to run commands on, with a waker that stops after all who use it.
func (b *base) commands(ctx context.Context) (*command.DB, error) {
	if b.db != nil {
		return b.db, nil
	}
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	waker, err := b.outboxWaker(ctx)
	if err != nil {
		return nil, err
	}
	b.db = command.NewDB(pool, waker, b.log, b.registry)
	return b.db, nil
}

func (b *base) outboxWaker(ctx context.Context) (*outbox.Waker, error) {
	if b.waker != nil {
		return b.waker, nil
	}
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	b.waker = outbox.NewWaker(pool, b.log)
	b.process.add("outbox waker", b.waker)
	return b.waker, nil
}

func (b *base) addRelay(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return err
	}
	relay := outbox.NewRelay(outbox.Config{Instance: b.owner, Now: machineNow}, pool, b.kafka, b.log, b.registry)
	b.process.add("relay", relay)
	b.check("relay", "look whether Kafka takes messages; `ezscale doctor` names the part that does not", func(context.Context) error { return relay.Health() })
	return nil
}

func (b *base) addCollector(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleQuery)
	if err != nil {
		return err
	}
	source := allowList{read: pool}
	one := collector.New(collector.Config{
		Listen: b.cfg.Collector.Listen, Sockets: b.cfg.Collector.Sockets, ReceiveBuffer: b.cfg.Collector.ReceiveBuffer,
		DataDir: b.cfg.DataDir + "/collector", Host: b.owner,
	}, collector.Dependencies{
		Kafka: b.kafka, Exporters: source.load, Now: machineNow, Offset: b.clock.Offset, Log: b.log, Metrics: b.registry,
	})
	b.process.add("collector", one)
	b.collector = one
	b.check("collector", "look whether Kafka takes messages and the sFlow port is free", one.Health)
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

func (b *base) addMeter(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleMeter)
	if err != nil {
		return err
	}
	waker, err := b.outboxWaker(ctx)
	if err != nil {
		return err
	}
	one, err := meter.New(meter.Config{
		Owner: b.owner, Decoder: b.cfg.Meter.Decoder, FlushInterval: b.cfg.Meter.Flush, Now: b.clock.Now,
	}, pool, b.kafka, waker, b.log, b.registry)
	if err != nil {
		return fmt.Errorf("compose the meter: %w", err)
	}
	b.process.add("meter", one)
	b.check("meter", "look at its lag and whether Postgres and Kafka answer", func(context.Context) error { return one.Health() })
	return nil
}

func (b *base) consumerConfig() consumer.Config {
	return consumer.Config{Instance: b.owner, Now: machineNow}
}

func (b *base) check(name, mend string, run func(context.Context) error) {
	b.health.Add(observe.Check{Name: name, Mend: mend, Run: run})
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
