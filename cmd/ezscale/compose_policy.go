package main

import (
	"context"
	"fmt"

	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/internal/postgres"
)

// addPolicy adds the consumer that turns events into jobs.
func (b *base) addPolicy(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return err
	}
	queue, err := jobs.NewEnqueuer(0, b.log)
	if err != nil {
		return fmt.Errorf("compose the policies: %w", err)
	}
	rules := policy.NotifyRules(policy.NotifyConfig{Jobs: queue, Now: b.clock.Now, NewID: newID, Staff: b.cfg.Discord != ""})
	runner := policy.NewRunner(b.consumerConfig(), pool, b.kafka, rules, b.log, b.registry)
	b.process.Add("policies", runner)
	b.check("policies", "look whether Kafka answers; `ezscale parked list` shows what could not be handled", func(context.Context) error { return runner.Health() })
	return nil
}
