package main

import (
	"context"
	"fmt"

	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter"
)

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
	b.process.Add("meter", one)
	b.check("meter", "look at its lag and whether Postgres and Kafka answer", func(context.Context) error { return one.Health() })
	return nil
}
