package rawlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/bytesize"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/collector/sources"
	"github.com/ezscale/platform/metering/replay/pcap"
)

const (
	shownSources = 20
	looksFor     = 256 // packets between two looks at the clock, for the progress
)

// pcapOptions are the flags of `replay pcap`.
type pcapOptions struct {
	speed, at, exporter string
	ports               []uint
	dryRun              bool
}

// NewPcapCommand replays a capture file; it stands below `replay`.
func NewPcapCommand() *cobra.Command {
	var o pcapOptions
	cmd := &cobra.Command{
		Use:   "pcap FILE",
		Short: "Replay the datagrams of exporters that a capture file holds",
		Long: `Reads UDP datagrams of registered exporters out of a pcap or pcapng file and gives them to the meter, as if a collector
had received them. The same file counts once, however often it is replayed, also after an interruption: the meter knows
what it has. What a collector has heard as well does not count again.

With --at now the file is played into the present, anew each time: see "ezscale flows tail". Datagrams that the meter
remembers, the last 4,096 of a sub-agent, are then repeats too, and do not count again.

Addresses of source decide whose a datagram is, as for collectors; --exporter takes all for one. Datagrams of others are
listed and left out.`,
		Example: "  ezscale replay pcap switch.pcap --dry-run\n  tcpdump -i eth0 -w lost.pcap udp port 6343   # while no collector ran, then:\n" +
			"  ezscale replay pcap lost.pcap\n  ezscale replay pcap demo.pcapng --at now --speed 1x --exporter leaf-0",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return replayPcap(cmd, o, args[0]) },
	}
	operator.AddDataFlag(cmd)
	cmd.Flags().StringVar(&o.speed, "speed", "max", "1x as captured, 10x ten times as fast, max as fast as it is taken")
	cmd.Flags().StringVar(&o.at, "at", "original", "receive times: original as captured, or now")
	cmd.Flags().StringVar(&o.exporter, "exporter", "", "take every datagram for this exporter's, whatever its source")
	cmd.Flags().UintSliceVar(&o.ports, "port", []uint{6343, 2055, 4739}, "UDP ports that the datagrams were sent to")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what the file holds, and send nothing")
	return cmd
}

func (o pcapOptions) config(file string) (pcap.Config, error) {
	cfg := pcap.Config{Open: func() (io.ReadCloser, error) { return os.Open(file) }, AtNow: o.at == "now"}
	if o.at != "now" && o.at != "original" {
		return cfg, fmt.Errorf("--at: %q is neither original nor now", o.at)
	}
	if o.speed != "max" {
		speed, err := strconv.ParseFloat(strings.TrimSuffix(o.speed, "x"), 64)
		if err != nil || !(speed > 0 && speed <= 1e6) {
			return cfg, fmt.Errorf("--speed: %q is neither a number above 0 such as 1x or 10x, nor max", o.speed)
		}
		cfg.Speed = speed
	}
	for _, port := range o.ports {
		if port == 0 || port > 65535 {
			return cfg, fmt.Errorf("--port: %d is no UDP port", port)
		}
		cfg.Ports = append(cfg.Ports, uint16(port))
	}
	return cfg, nil
}

func replayPcap(cmd *cobra.Command, o pcapOptions, file string) error {
	cfg, err := o.config(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("look at the capture: %w", err)
	}
	platform, err := operator.Open(cmd, postgres.RoleQuery)
	if err != nil {
		return err
	}
	defer platform.Close()
	ctx := cmd.Context()
	if o.exporter != "" {
		if cfg.Exporter, err = platform.Exporter(ctx, o.exporter); err != nil {
			return err
		}
	}
	exporters, err := platform.Exporters(ctx)
	if err != nil {
		return err
	}
	cfg.Now = platform.Clock.Now
	replay, err := pcap.New(cfg, platform.Kafka, known(exporters))
	if err != nil {
		return err
	}
	return o.run(ctx, cmd.OutOrStdout(), replay, exporters, info.Size())
}

func (o pcapOptions) run(ctx context.Context, out io.Writer, replay *pcap.Replay, exporters []operator.Exporter, size int64) error {
	show := shower("reading", size)
	survey, err := replay.Survey(ctx, show.each)
	show.bar.Finish()
	if err != nil {
		return err
	}
	if err := tellSurvey(out, survey, exporters); err != nil || o.dryRun {
		return err
	}
	show = shower("replaying", size)
	progress, err := replay.Play(ctx, survey, show.each)
	show.bar.Finish()
	if err == nil {
		fmt.Fprintf(out, "%d datagrams in %d envelopes are in the raw log\n", progress.Datagrams, progress.Envelopes)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%d of %d datagrams were read, and %d envelopes are in the raw log; %s: %w", progress.Datagrams, survey.Replayed(), progress.Envelopes, o.again(), err)
	}
	return err
}

// again says what a second run does.
func (o pcapOptions) again() string {
	if o.at == "now" {
		return "run again it begins anew"
	}
	return "run it again, what is there already counts once"
}

func known(exporters []operator.Exporter) []sources.Exporter {
	all := make([]sources.Exporter, len(exporters))
	for i, e := range exporters {
		all[i] = sources.Exporter{ID: e.ID, Source: e.Source, Agent: e.Agent}
	}
	return all
}

// showing draws the progress of one reading.
type showing struct {
	bar   *terminal.Progress
	total int64
	count int
}

func shower(what string, total int64) *showing {
	return &showing{bar: terminal.NewProgress(os.Stderr, what, true), total: total}
}

func (s *showing) each(p pcap.Progress) {
	if s.count++; s.count%looksFor == 0 {
		s.bar.Set(p.Bytes, s.total)
	}
}

// tellSurvey prints what a file holds.
func tellSurvey(out io.Writer, s *pcap.Survey, exporters []operator.Exporter) error {
	names := map[string]string{}
	for _, e := range exporters {
		names[e.ID.String()] = e.Name
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "EXPORTER\tDATAGRAMS\tBYTES\tFROM\tTO")
	shares := slices.SortedFunc(slices.Values(s.Shares), func(a, b pcap.Share) int {
		return cmp.Compare(names[a.Exporter.String()], names[b.Exporter.String()])
	})
	for _, share := range shares {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", names[share.Exporter.String()], share.Datagrams, bytesize.Format(share.Bytes),
			share.First.Format(time.RFC3339), share.Last.Format(time.RFC3339))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	fmt.Fprintf(out, "%d packets, %d UDP datagrams, %d to other ports\n", s.Packets, s.Datagrams, s.OtherPorts)
	for _, reason := range slices.Sorted(maps.Keys(s.Skipped)) {
		fmt.Fprintf(out, "skipped %d packets: %s\n", s.Skipped[reason], strings.ReplaceAll(reason, "_", " "))
	}
	tellUnknown(out, s)
	if s.Cut {
		fmt.Fprintln(out, "the file ends inside a packet; what is before it is taken")
	}
	return nil
}

func tellUnknown(out io.Writer, s *pcap.Survey) {
	if s.Unknown == 0 {
		return
	}
	fmt.Fprintf(out, "%d datagrams are of sources that no exporter is registered for:\n", s.Unknown)
	for _, source := range s.Sources[:min(len(s.Sources), shownSources)] {
		fmt.Fprintf(out, "  %s  %d\n", source.Address, source.Datagrams)
	}
	if more := len(s.Sources) - shownSources; more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
}
