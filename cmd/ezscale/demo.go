package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/cmd/ezscale/process"
	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/devmail"
	"github.com/ezscale/platform/internal/manifest"
	"github.com/ezscale/platform/metering/simulate"
	"github.com/ezscale/platform/metering/simulate/scenario"
)

// addMailbox starts the mailbox at once, since the jobs must know where it listens, and points mails and Discord
// posts at it.
func (b *base) addMailbox(ctx context.Context) (func(context.Context) ([]api.Message, error), error) {
	mailbox := devmail.New(devmail.Config{Dir: filepath.Join(b.cfg.DataDir, "mailbox")}, b.clock.Now, b.log)
	if err := mailbox.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the mailbox: %w", err)
	}
	b.process.Add("mailbox", process.Closer(func() { _ = mailbox.Stop(context.Background()) }))
	b.cfg.Mail.SMTP, b.cfg.Mail.Insecure = "smtp://"+mailbox.SMTPAddr().String(), true
	b.cfg.Discord = mailbox.DiscordURL()
	return func(context.Context) ([]api.Message, error) { return shown(mailbox.List()), nil }, nil
}

func shown(caught []devmail.Message) []api.Message {
	messages := make([]api.Message, len(caught))
	for i, m := range caught {
		messages[i] = api.Message{
			ID: m.ID.String(), Channel: m.Channel, To: strings.Join(m.To, ", "), From: m.From, Subject: m.Subject,
			Text: m.Text, HTML: m.HTML, ReceivedAt: m.ReceivedAt,
		}
	}
	return messages
}

// startDemo makes the company and its switches known through the API, as an operator would, and turns the
// simulated switches on.
func (b *base) startDemo(ctx context.Context, address runfile.API) error {
	play := scenario.Demo()
	oddRates(play.Agents)
	text, err := play.Manifest()
	if err != nil {
		return fmt.Errorf("describe the demo: %w", err)
	}
	if err := applyManifest(ctx, address, text); err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	play.Agents[0].Network = &scenario.Network{Reorder: 0.001} // one switch on a clean path, one that loses a little
	play.Start, play.Seed = b.clock.Now(), uint64(b.clock.Now().UnixNano())
	simulation, err := simulate.New(play)
	if err != nil {
		return fmt.Errorf("make the demo's switches: %w", err)
	}
	player := simulate.NewPlayer(simulate.PlayerConfig{Target: loopbackOf(b.collector.Addrs()[0]), Now: machineNow}, simulation)
	if err := player.Start(ctx); err != nil {
		return fmt.Errorf("turn the demo's switches on: %w", err)
	}
	b.process.Add("simulated switches", player)
	return nil
}

// Every ten minutes of the demo's first day one port samples as no port of its exporter is believed to, which sets
// samples aside, and one samples fewer packets for a while, as switches do that adapt to their load.
const (
	oddEvery    = 10 * time.Minute
	oddFor      = 24 * time.Hour
	demoRate    = 128 // as of all ports
	demoRateMax = 4096
)

func oddRates(agents []scenario.Agent) {
	agents[0].RateMax = demoRateMax
	set := func(agent int, at time.Duration, port, rate uint32) {
		agents[agent].Events = append(agents[agent].Events, scenario.Event{At: at, Kind: scenario.EventRate, Port: port, Rate: rate})
	}
	for at := 40 * time.Second; at < oddFor; at += oddEvery {
		set(0, at, 14, 2*demoRateMax)
		set(0, at+10*time.Second, 14, demoRate)
		set(1, at, 13, 4*demoRate)
		set(1, at+time.Minute, 13, demoRate)
	}
}

func applyManifest(ctx context.Context, address runfile.API, text []byte) error {
	platform, err := client.New(client.Config{URL: address.URL, Token: address.Token})
	if err != nil {
		return err
	}
	wanted, err := manifest.Parse("demo", text)
	if err != nil {
		return err
	}
	state, err := manifest.Fetch(ctx, platform)
	if err != nil {
		return err
	}
	steps, _, err := manifest.Diff(wanted, state)
	if err != nil {
		return err
	}
	return manifest.Apply(ctx, platform, wanted, steps, func(manifest.Step) {})
}

// loopbackOf is where the switches of this machine reach a bound address.
func loopbackOf(bound netip.AddrPort) netip.AddrPort {
	if bound.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), bound.Port())
	}
	return bound
}
