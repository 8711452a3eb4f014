package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/rawlog"
	"github.com/ezscale/platform/internal/observe"
)

// roleSpec is one role as a process of its own.
type roleSpec struct {
	name, short string
	needs       []string
	add         func(*base, context.Context) error
	memory      int64 // bytes from which the garbage collector works harder, when GOMEMLIMIT does not say; 0: never
	garbage     int   // percent of the live heap that may be garbage, when GOGC does not say; 0: Go's 100
}

// collectorMemory is above what a collector can be using (its queue, the buffers it keeps, what is in flight), so that
// a backlog takes no more than it must.
const collectorMemory = 128 << 20

// meteringGarbage trades little for memory: collector and meter reuse nearly all they work with.
const meteringGarbage = 40

func roleSpecs() []roleSpec {
	const pg, kafka, click = "EZSCALE_POSTGRES", "EZSCALE_KAFKA", "EZSCALE_CLICKHOUSE"
	return []roleSpec{
		{name: "api", short: "HTTP: pages, API, live streams", needs: []string{pg, click},
			add: func(b *base, ctx context.Context) error { _, err := b.addAPI(ctx, apiExtras{}); return err }},
		{name: "relay", short: "Outbox to Kafka, in order", needs: []string{pg, kafka}, add: (*base).addRelay},
		{name: "policy", short: "When an event, then a job", needs: []string{pg, kafka}, add: (*base).addPolicy},
		{name: "jobs", short: "Mails, webhooks, the closing of billing cycles, and the audit log's seals", needs: []string{pg},
			add: func(b *base, ctx context.Context) error { _, err := b.addJobs(ctx); return err }},
		{name: "projections", short: "Kafka to ClickHouse read models", needs: []string{pg, kafka, click}, add: (*base).addProjections},
		{name: "collector", short: "UDP exports to Kafka", needs: []string{pg, kafka}, add: (*base).addCollector, memory: collectorMemory, garbage: meteringGarbage},
		{name: "meter", short: "Datagrams to counters", needs: []string{pg, kafka}, add: (*base).addMeter, garbage: meteringGarbage},
	}
}

func newRoleCommands() []*cobra.Command {
	var commands []*cobra.Command
	for _, spec := range roleSpecs() {
		command := &cobra.Command{
			Use: spec.name, Short: spec.short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return interrupted(cmd.Context(), runRole(cmd.Context(), spec))
			},
		}
		if spec.name == "meter" {
			command.AddCommand(rawlog.NewExplainCommand(), rawlog.NewRemeterCommand())
		}
		commands = append(commands, command)
	}
	return commands
}

// runRole runs one role until ctx ends.
func runRole(ctx context.Context, spec roleSpec) error {
	cfg, log, err := loadConfig(spec.needs...)
	if err != nil {
		return err
	}
	if spec.memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(spec.memory)
	}
	if spec.garbage > 0 && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(spec.garbage)
	}
	b, err := newBase(ctx, cfg, log.With("role", spec.name))
	if err != nil {
		return err
	}
	if err := spec.add(b, ctx); err != nil {
		return errors.Join(err, b.process.Stop())
	}
	b.process.Add("metrics", observe.NewServer(cfg.Metrics, b.registry, b.health, b.log))
	return b.process.Run(ctx, func() error {
		b.log.Info("serving")
		return nil
	})
}
