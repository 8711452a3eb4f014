package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/cmd/ezscale/bench/peer"
	"github.com/ezscale/platform/cmd/ezscale/bench/stage"
)

// options of `bench collector`.
type options struct {
	scenarios                 []string
	duration                  time.Duration
	exporters, services, rate int
	lagSamples                int
	peers, json               bool
	peerRate                  int
}

// bench is one run.
type bench struct {
	o        options
	servers  stage.Servers
	dir      string
	program  string
	progress io.Writer
	report   Report
}

func newCollectorCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "collector",
		Short: "From UDP to the counters: samples per CPU second, loss, memory, delay",
		Long: `Sends valid sFlow over the loopback interface to a collector and a meter of this build and prints what
they cost, what was lost, and whether the counters in Postgres equal what was sent.

Postgres and a Kafka broker are started for the run, or those of ` + "`ezscale servers -- ezscale bench collector`" + ` are used.
Scenarios:
  steady    --exporters, --services and --rate for as long as --for
  single    the same from one exporter on one source port
  services  the same with 10, 10,000 and 200,000 services
  lag       the meter starts with --lag-samples waiting
  loss      growing rates: where datagrams begin to be lost`,
		Example: "  ezscale bench collector\n  ezscale bench collector --scenario steady --for 60s --rate 80000 --json\n" +
			"  ezscale bench collector --scenario lag,services",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.scenarios, "scenario", []string{"steady", "loss"}, "which to run, comma separated, or all")
	f.DurationVar(&o.duration, "for", 10*time.Second, "how long to send in each scenario")
	f.IntVar(&o.exporters, "exporters", 64, "how many devices send")
	f.IntVar(&o.services, "services", 10_000, "how many services they see")
	f.IntVar(&o.rate, "rate", 80_000, "datagrams a second, over all exporters")
	f.IntVar(&o.lagSamples, "lag-samples", 10_000_000, "what waits for the meter in scenario lag")
	f.BoolVar(&o.peers, "peers", true, "measure goflow2, sfacctd and sfcapd with the same datagrams, where they are")
	f.IntVar(&o.peerRate, "peer-rate", 10_000, "datagrams a second for them")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

func scenarioNames() []string { return []string{"steady", "single", "services", "lag", "loss"} }

// check refuses what would run for too long or not at all.
func (o *options) check() error {
	if slices.Equal(o.scenarios, []string{"all"}) {
		o.scenarios = scenarioNames()
	}
	for _, name := range o.scenarios {
		if !slices.Contains(scenarioNames(), name) {
			return fmt.Errorf("--scenario %s: want %s or all", name, strings.Join(scenarioNames(), ", "))
		}
	}
	for _, bound := range []struct {
		flag           string
		is, from, upTo int
	}{
		{"exporters", o.exporters, 1, 4000}, {"services", o.services, 1, 1_000_000}, {"rate", o.rate, 1, 2_000_000},
		{"peer-rate", o.peerRate, 1, 2_000_000},
		{"lag-samples", o.lagSamples, 1, 200_000_000}, {"for", int(o.duration.Milliseconds()), 100, 3_600_000},
	} {
		if bound.is < bound.from || bound.is > bound.upTo {
			return fmt.Errorf("--%s: want %d to %d", bound.flag, bound.from, bound.upTo)
		}
	}
	return nil
}

func (o options) run(ctx context.Context, out, progress io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	b := &bench{o: o, program: program, progress: progress}
	err = withServers(ctx, progress, func(servers stage.Servers, dir string) error {
		b.servers, b.dir = servers, dir
		return b.scenarios(ctx)
	})
	b.report.finish()
	if o.json {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return join(err, encoder.Encode(b.report))
	}
	return join(err, b.report.print(out))
}

func (b *bench) scenarios(ctx context.Context) error {
	b.report.Decode = decodeRate()
	runs := map[string]func(context.Context) error{
		"steady": b.steady, "single": b.single, "services": b.serviceCounts, "lag": b.lag, "loss": b.loss,
	}
	for _, name := range b.o.scenarios {
		fmt.Fprintln(b.progress, "scenario", name)
		if err := runs[name](ctx); err != nil {
			return fmt.Errorf("scenario %s: %w", name, err)
		}
	}
	return b.compare(ctx)
}

// compare measures others.
func (b *bench) compare(ctx context.Context) error {
	if !b.o.peers {
		return nil
	}
	fmt.Fprintln(b.progress, "peers")
	var err error
	b.report.Peers, err = peer.Run(ctx, peer.Config{
		Program: b.program, Dir: b.dir, Exporters: b.o.exporters, Services: b.o.services,
		Task: load.Task{Rate: b.o.peerRate, For: min(b.o.duration, peerFor)}, ReceiveRate: b.o.rate,
	})
	return err
}

// on runs f on a stage of its own.
func (b *bench) on(ctx context.Context, exporters, services int, f func(*stage.Stage) error) error {
	log := slog.New(slog.NewTextHandler(b.progress, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := stage.Open(ctx, stage.Config{
		Servers: b.servers, Program: b.program, Dir: b.dir, Exporters: exporters, Services: services, Log: log,
	})
	if err != nil {
		return err
	}
	return join(f(s), s.Close())
}

// one measures a single rate with everything running.
func (b *bench) one(ctx context.Context, scenario string, exporters, services int) error {
	return b.on(ctx, exporters, services, func(s *stage.Stage) error {
		if err := s.StartMeter(ctx); err != nil {
			return err
		}
		row, err := measure(ctx, s, Row{Scenario: scenario, Exporters: exporters, Services: services}, load.Task{Rate: b.o.rate, For: b.o.duration})
		if err != nil {
			return err
		}
		b.add(row)
		return nil
	})
}

func (b *bench) add(r Row) {
	b.report.Rows = append(b.report.Rows, r)
	fmt.Fprintf(b.progress, "  %s\n", r.line())
}

func (b *bench) steady(ctx context.Context) error {
	return b.one(ctx, "steady", b.o.exporters, b.o.services)
}

func (b *bench) single(ctx context.Context) error { return b.one(ctx, "single", 1, b.o.services) }

func (b *bench) serviceCounts(ctx context.Context) error {
	for _, services := range []int{10, 10_000, 200_000} {
		if err := b.one(ctx, "services", b.o.exporters, services); err != nil {
			return err
		}
	}
	return nil
}

// loss raises the rate until datagrams are lost, or the sender cannot send more.
func (b *bench) loss(ctx context.Context) error {
	return b.on(ctx, b.o.exporters, b.o.services, func(s *stage.Stage) error {
		if err := s.StartMeter(ctx); err != nil {
			return err
		}
		for _, rate := range []int{20_000, 40_000, 60_000, 80_000, 100_000, 120_000, 160_000, 200_000} {
			row, err := measure(ctx, s, Row{Scenario: "loss", Exporters: b.o.exporters, Services: b.o.services},
				load.Task{Rate: rate, For: min(b.o.duration, lossStep)})
			if err != nil {
				return err
			}
			b.add(row)
			if row.Rate < enough*float64(rate) || float64(row.Lost) > lossEnd*float64(row.Offered) {
				return nil
			}
		}
		return nil
	})
}

const (
	lossStep = 5 * time.Second
	peerFor  = 5 * time.Second
	enough   = 0.9 // of the rate asked for; a slower sender ends the curve
	lossEnd  = 0.2 // of the datagrams lost ends it, too
)

// lag lets the log grow without a meter, and then starts one.
func (b *bench) lag(ctx context.Context) error {
	return b.on(ctx, b.o.exporters, b.o.services, func(s *stage.Stage) error {
		took := time.Duration(float64(b.o.lagSamples) / load.SamplesEach / float64(b.o.rate) * float64(time.Second))
		sent, err := s.Send(ctx, load.Task{Rate: b.o.rate, For: took})
		if err != nil {
			return err
		}
		row, err := catchUp(ctx, s, Row{Scenario: "lag", Exporters: b.o.exporters, Services: b.o.services}, sent)
		if err != nil {
			return err
		}
		b.add(row)
		return nil
	})
}
