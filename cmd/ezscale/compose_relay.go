package main

import (
	"context"

	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/postgres"
)

func (b *base) addRelay(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return err
	}
	relay := outbox.NewRelay(outbox.Config{Instance: b.owner, Now: machineNow}, pool, b.kafka, b.log, b.registry)
	b.process.Add("relay", relay)
	b.check("relay", "look whether Kafka takes messages; `ezscale doctor` names the part that does not", func(context.Context) error { return relay.Health() })
	return nil
}
