package rawlog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/meter/owners"
	"github.com/ezscale/platform/metering/meter/tail"
)

// tailOptions are the flags of `flows tail`.
type tailOptions struct {
	exporter, service, address, protocol string
	port                                 uint32
	since                                time.Duration
	lines                                int64
	asJSON                               bool
}

// NewFlowsCommand looks at the raw log.
func NewFlowsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "flows", Short: "Look at what exporters send"}
	cmd.AddCommand(newTailCommand())
	return cmd
}

func newTailCommand() *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print flow samples and records as they come",
		Long: `Prints one line for each flow sample or record that exporters send, decoded and with the services that its addresses belong
to, as it reaches the raw log. It counts nothing: a datagram that came twice shows twice. When the terminal cannot keep up
it goes on at the newest and says how much it left out.`,
		Example: "  ezscale flows tail --exporter leaf-0 --port 12\n  ezscale flows tail --service vps-1 --since 5m -n 100 --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return flowsTail(cmd, o) },
	}
	operator.AddDataFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.exporter, "exporter", "", "only of this exporter, name or id")
	f.StringVar(&o.service, "service", "", "only from or to this service, name or id")
	f.StringVar(&o.address, "address", "", "only from or to this address or `CIDR`")
	f.Uint32Var(&o.port, "port", 0, "only sampled at, in by or out by this `IFINDEX`")
	f.StringVar(&o.protocol, "protocol", "", "only sflow, netflow (IPFIX too) or replayed")
	f.DurationVar(&o.since, "since", 0, "begin so long ago; default now")
	f.Int64VarP(&o.lines, "lines", "n", 0, "end after so many lines; 0 goes on until interrupted")
	f.BoolVar(&o.asJSON, "json", false, "print a JSON object per line")
	return cmd
}

func (o tailOptions) filter(ctx context.Context, platform *operator.Platform) (f tail.Filter, err error) {
	if o.exporter != "" {
		if f.Exporter, err = platform.Exporter(ctx, o.exporter); err != nil {
			return f, err
		}
	}
	if o.service != "" {
		if f.Service, err = platform.Service(ctx, o.service); err != nil {
			return f, err
		}
	}
	if f.Address, err = parseAddress(o.address); err != nil {
		return f, err
	}
	switch o.protocol {
	case "", tail.SFlow, tail.NetFlow, tail.Replayed:
	default:
		return f, fmt.Errorf("--protocol: %q is not sflow, netflow or replayed", o.protocol)
	}
	f.Port, f.Protocol = o.port, o.protocol
	return f, nil
}

// check refuses what would print nothing, or all, without a word.
func (o tailOptions) check() error {
	if o.since < 0 {
		return fmt.Errorf("--since: %s is not ago", o.since)
	}
	if o.lines < 0 {
		return fmt.Errorf("--lines: %d is no number of lines", o.lines)
	}
	return nil
}

// parseAddress reads an address or a CIDR; empty is none.
func parseAddress(text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	if !strings.Contains(text, "/") {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("--address: %q is neither an address nor a CIDR", text)
		}
		return netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("--address: %q is neither an address nor a CIDR", text)
	}
	return prefix.Masked(), nil
}

func flowsTail(cmd *cobra.Command, o tailOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	platform, err := operator.Open(cmd, postgres.RoleQuery)
	if err != nil {
		return err
	}
	defer platform.Close()
	ctx := cmd.Context()
	cfg := tail.Config{Owners: owners.New(platform.Pool, platform.Clock.Now).Fresh}
	if cfg.Filter, err = o.filter(ctx, platform); err != nil {
		return err
	}
	if o.since > 0 {
		cfg.Since = time.Now().Add(-o.since)
	}
	p := &printer{out: cmd.OutOrStdout(), left: o.lines, asJSON: o.asJSON}
	if p.exporters, err = platform.Names(ctx, "exporter"); err != nil {
		return err
	}
	if p.services, err = platform.Names(ctx, "service"); err != nil {
		return err
	}
	notes := cmd.ErrOrStderr()
	counts, err := tail.New(cfg, platform.Config.Kafka).Run(ctx, tail.Handler{Line: p.line, Skipped: func(s tail.Skipped) {
		fmt.Fprintf(notes, "could not keep up: %d envelopes of partition %d left out\n", s.Messages, s.Partition)
	}})
	fmt.Fprintf(notes, "%d lines of %d envelopes; %d datagrams or samples could not be decoded, %d envelopes were left out\n",
		counts.Lines, counts.Envelopes, counts.Rejected, counts.Skipped)
	return err
}

// printer writes lines for people or programs. What was created after the start shows by its id.
type printer struct {
	out                 io.Writer
	exporters, services map[uuid.UUID]string
	left                int64 // lines until the end; 0: no end
	asJSON              bool
}

// named is a line for programs.
type named struct {
	*tail.Line
	Exporter    string `json:"exporter"`
	FromService string `json:"from_service_name,omitempty"`
	ToService   string `json:"to_service_name,omitempty"`
}

func (p *printer) line(l *tail.Line) error {
	if err := p.print(l); err != nil {
		return err
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			return tail.Done()
		}
	}
	return nil
}

func (p *printer) print(l *tail.Line) error {
	if p.asJSON {
		text, err := json.Marshal(named{l, p.name(p.exporters, l.Exporter), p.name(p.services, l.From), p.name(p.services, l.To)})
		if err == nil {
			_, err = p.out.Write(append(text, '\n'))
		}
		if err != nil {
			return fmt.Errorf("print a line: %w", err)
		}
		return nil
	}
	_, err := fmt.Fprintf(p.out, "%s %s %s/%d port %d  %s→%s %s 1:%d  %d/%d bytes  %s → %s %s%s\n",
		l.At.Format("2006-01-02T15:04:05.000Z"), p.name(p.exporters, l.Exporter), l.Agent, l.SubAgent, l.Port, index(l.Input), index(l.Output), l.Side, l.Rate,
		l.BytesL2, l.BytesL3, p.end(l.Src, l.From), p.end(l.Dst, l.To), ipProtocol(l.IP), packets(l))
	if err != nil {
		return fmt.Errorf("print a line: %w", err)
	}
	return nil
}

func (p *printer) name(names map[uuid.UUID]string, id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	if name, ok := names[id]; ok {
		return name
	}
	return id.String()
}

// end is an address and whose it is.
func (p *printer) end(address netip.Addr, service uuid.UUID) string {
	switch {
	case !address.IsValid():
		return "no IP"
	case service == uuid.Nil:
		return address.String()
	}
	return address.String() + " (" + p.name(p.services, service) + ")"
}

func index(port uint32) string {
	if port == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(port), 10)
}

func ipProtocol(n uint8) string {
	switch n {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 58:
		return "icmp6"
	}
	return "proto " + strconv.Itoa(int(n))
}

// packets is how many a record stands for; a sample is one.
func packets(l *tail.Line) string {
	if l.Protocol == tail.SFlow {
		return ""
	}
	return fmt.Sprintf("  %d packets", l.Packets)
}
