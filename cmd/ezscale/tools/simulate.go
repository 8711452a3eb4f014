package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ezscale/platform/cmd/ezscale/when"
	"github.com/ezscale/platform/metering/simulate"
	"github.com/ezscale/platform/metering/simulate/scenario"
)

// NewSimulateCommand plays a switch.
func NewSimulateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "simulate", Short: "Play devices that do not exist, to try and to check the meter"}
	cmd.AddCommand(newSimulateSwitchCommand())
	return cmd
}

// switchOptions are the flags of `simulate switch`. What a flag does not set, the scenario decides.
type switchOptions struct {
	target, scenario, speed, truth, start, sourceBase string
	perSecond, agents, services                       int
	seed                                              uint64
	rate                                              uint32
	duration                                          time.Duration
	rebootAt                                          []time.Duration
	loss, duplicate, reorder                          float64
	in, out                                           string
	manifest                                          bool
}

func newSimulateSwitchCommand() *cobra.Command {
	var o switchOptions
	cmd := &cobra.Command{
		Use:   "switch",
		Short: "Send sFlow like switches do, and say what a meter must make of it",
		Long: `Plays switches with ports, services, counters, loss and reboots, and sends their sFlow to --target.
At the end (of --duration, or at an interrupt) it prints the truth: what each service must show, to the byte.
The same seed always gives the same datagrams. Times are virtual: --speed plays them faster.

Without --agents and --services it plays the demonstration, or the --scenario file. With one of them it makes that
many alike agents and services, named svc-10.20.0.1 and so on. --manifest prints the file for "ezscale apply" that
registers them.`,
		Example: "  ezscale simulate switch --manifest > demo.yaml && ezscale apply -f demo.yaml\n" +
			"  ezscale simulate switch --duration 60s --truth truth.json\n" +
			"  ezscale simulate switch --agents 4 --services 1000 --rate 512 --loss 0.001 --speed max --duration 10m",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return simulateSwitch(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.target, "target", "127.0.0.1:6343", "where to send, `ADDRESS:PORT`")
	f.StringVar(&o.scenario, "scenario", "demo", "a YAML `FILE`, or demo")
	f.StringVar(&o.speed, "speed", "1", "how many times faster than the clock, or max")
	f.IntVar(&o.perSecond, "per-second", 0, "send so many datagrams a second, whatever their virtual time")
	f.DurationVar(&o.duration, "duration", 0, "virtual time to play; until interrupted when 0")
	f.StringVar(&o.start, "start", "", "virtual time of the start, RFC 3339; the day's wave depends on it")
	f.Uint64Var(&o.seed, "seed", 0, "of everything random")
	f.IntVar(&o.agents, "agents", 2, "make so many agents")
	f.IntVar(&o.services, "services", 12, "make so many services, spread over the agents")
	f.Uint32Var(&o.rate, "rate", 512, "sampling rate of every port: one packet in `N`")
	f.StringVar(&o.in, "in", "20Mbit", "traffic into each service made by --services")
	f.StringVar(&o.out, "out", "80Mbit", "traffic out of each service made by --services")
	f.StringVar(&o.sourceBase, "source-base", "127.1.0.1", "agent and source address of the first agent; the others follow")
	f.Float64Var(&o.loss, "loss", 0, "probability that a datagram is lost")
	f.Float64Var(&o.duplicate, "duplicate", 0, "probability that a datagram comes twice")
	f.Float64Var(&o.reorder, "reorder", 0, "probability that a datagram comes late")
	f.DurationSliceVar(&o.rebootAt, "reboot-at", nil, "virtual time since the start when all agents reboot; may be given again")
	f.StringVar(&o.truth, "truth", "-", "where the truth goes, a `FILE` or - for standard output")
	f.BoolVar(&o.manifest, "manifest", false, "print the manifest and send nothing")
	return cmd
}

func simulateSwitch(cmd *cobra.Command, o switchOptions) error {
	play, err := o.build(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	simulation, err := simulate.New(play)
	if err != nil {
		return err
	}
	if o.manifest {
		text, err := play.Manifest()
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	cfg, err := o.player()
	if err != nil {
		return err
	}
	player := simulate.NewPlayer(cfg, simulation)
	if err := playWithProgress(cmd.Context(), player, play.Duration, os.Stderr); err != nil {
		return err
	}
	if p := player.Progress(); p.Refused > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "nobody listened at %s for part of the time (%d times refused): the meter cannot show the truth below\n", o.target, p.Refused)
	}
	return o.writeTruth(cmd.OutOrStdout(), simulation.Truth())
}

// build makes the scenario that the flags describe; changed tells which of them were given.
func (o switchOptions) build(changed func(string) bool) (scenario.Scenario, error) {
	s, err := o.base(changed)
	if err != nil {
		return s, err
	}
	if changed("seed") {
		s.Seed = o.seed
	}
	if changed("duration") {
		s.Duration = o.duration
	}
	if changed("start") {
		if s.Start, err = when.Parse(o.start); err != nil {
			return s, fmt.Errorf("--start: %w", err)
		}
	}
	address, err := netip.ParseAddr(o.sourceBase)
	if err != nil {
		return s, fmt.Errorf("--source-base: %w", err)
	}
	for i := range s.Agents {
		a := &s.Agents[i]
		if changed("source-base") {
			a.Address, a.Source = address, address
			address = address.Next()
		}
		for _, at := range o.rebootAt {
			a.Events = append(a.Events, scenario.Event{At: at, Kind: scenario.EventReboot})
		}
		for p := range a.Ports {
			if changed("rate") {
				a.Ports[p].Rate = o.rate
			}
		}
		o.disturb(changed, a.Network)
	}
	o.disturb(changed, &s.Network)
	return s, nil
}

// base is the scenario before the other flags change it.
func (o switchOptions) base(changed func(string) bool) (scenario.Scenario, error) {
	switch {
	case changed("agents") || changed("services"):
		if changed("scenario") {
			return scenario.Scenario{}, errors.New("--scenario says which agents and services there are: leave out --agents and --services")
		}
		return o.synthetic()
	case changed("in") || changed("out"):
		return scenario.Scenario{}, errors.New("--in and --out are for services made by --services")
	case o.scenario == "demo":
		return scenario.Demo(), nil
	}
	text, err := os.ReadFile(o.scenario)
	if err != nil {
		return scenario.Scenario{}, fmt.Errorf("--scenario: %w", err)
	}
	return scenario.Parse(text)
}

func (o switchOptions) synthetic() (scenario.Scenario, error) {
	if o.agents < 1 || o.services < 0 {
		return scenario.Scenario{}, errors.New("--agents: at least 1; --services: not negative")
	}
	var traffic scenario.Traffic
	if err := traffic.In.UnmarshalText([]byte(o.in)); err != nil {
		return scenario.Scenario{}, fmt.Errorf("--in: %w", err)
	}
	if err := traffic.Out.UnmarshalText([]byte(o.out)); err != nil {
		return scenario.Scenario{}, fmt.Errorf("--out: %w", err)
	}
	first, err := netip.ParseAddr(o.sourceBase)
	if err != nil {
		return scenario.Scenario{}, fmt.Errorf("--source-base: %w", err)
	}
	return scenario.Synthetic(scenario.Size{Agents: o.agents, Services: o.services, Rate: o.rate, First: first, Traffic: traffic}), nil
}

// disturb sets what the network does, where a flag says so.
func (o switchOptions) disturb(changed func(string) bool, n *scenario.Network) {
	if n == nil {
		return
	}
	if changed("loss") {
		n.Loss = o.loss
	}
	if changed("duplicate") {
		n.Duplicate = o.duplicate
	}
	if changed("reorder") {
		n.Reorder = o.reorder
	}
}

func (o switchOptions) player() (simulate.PlayerConfig, error) {
	cfg := simulate.PlayerConfig{PerSecond: o.perSecond, Unpaced: o.speed == "max", Now: time.Now}
	var err error
	if cfg.Target, err = netip.ParseAddrPort(o.target); err != nil {
		return cfg, fmt.Errorf("--target: %w", err)
	}
	if !cfg.Unpaced {
		if cfg.Speed, err = strconv.ParseFloat(o.speed, 64); err != nil || !(cfg.Speed > 0 && cfg.Speed <= 1e6) {
			return cfg, fmt.Errorf("--speed: %q is neither a number above 0 nor max", o.speed)
		}
	}
	return cfg, nil
}

// playWithProgress runs the player and, on a terminal, shows how far it is.
func playWithProgress(ctx context.Context, player *simulate.Player, duration time.Duration, out *os.File) error {
	done := make(chan error, 1)
	go func() { done <- player.Run(ctx) }()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	var bar *progressbar.ProgressBar
	for {
		select {
		case err := <-done:
			p := player.Progress()
			if bar != nil {
				_ = bar.Exit() // a bar that cannot be drawn is no failure
			}
			fmt.Fprintf(out, "%d datagrams sent in %s of virtual time\n", p.Datagrams, p.Virtual.Round(time.Millisecond))
			return err
		case <-ticker.C:
			if !term.IsTerminal(int(out.Fd())) {
				continue
			}
			if bar == nil {
				bar = newSwitchBar(out, duration)
			}
			p := player.Progress()
			bar.Describe(fmt.Sprintf("%s, %d datagrams", p.Virtual.Round(time.Second), p.Datagrams))
			_ = bar.Set64(p.Virtual.Milliseconds())
		}
	}
}

func newSwitchBar(out io.Writer, duration time.Duration) *progressbar.ProgressBar {
	total := duration.Milliseconds()
	if total == 0 {
		total = -1 // no end: a spinner
	}
	return progressbar.NewOptions64(total, progressbar.OptionSetWriter(out), progressbar.OptionSetPredictTime(total > 0),
		progressbar.OptionClearOnFinish())
}

func (o switchOptions) writeTruth(stdout io.Writer, truth simulate.Truth) error {
	text, err := json.MarshalIndent(truth, "", "  ")
	if err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	text = append(text, '\n')
	if o.truth == "-" {
		_, err = stdout.Write(text)
	} else {
		err = os.WriteFile(o.truth, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("truth: %w", err)
	}
	return nil
}
