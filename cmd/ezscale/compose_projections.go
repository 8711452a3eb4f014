package main

import (
	"context"

	"github.com/ezscale/platform/cmd/ezscale/tools"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/projections"
)

func (b *base) addProjections(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return err
	}
	click, err := b.clickHouse(ctx)
	if err != nil {
		return err
	}
	for name, model := range tools.ReadModels(pool, b.kafka, click) {
		runner := projections.NewRunner(b.consumerConfig(), pool, b.kafka, model, b.log, b.registry)
		b.process.Add("projection "+name, runner)
		b.check("projection "+name, "look whether Kafka and ClickHouse answer", func(context.Context) error { return runner.Health() })
	}
	return nil
}
