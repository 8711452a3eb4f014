package bench

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/bench/child"
	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/cmd/ezscale/bench/peer"
)

// newSenderCommand is a child of the benchmark; people never call it.
func newSenderCommand() *cobra.Command {
	var target string
	var cfg load.Config
	cmd := &cobra.Command{
		Use: "sender", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Target, err = netip.ParseAddrPort(target); err != nil {
				return fmt.Errorf("--target: %w", err)
			}
			s, err := load.Open(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return join(s.Serve(cmd.Context(), os.Stdin, os.Stdout), s.Close())
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "`ADDRESS:PORT` on the loopback interface")
	cmd.Flags().IntVar(&cfg.Exporters, "exporters", 1, "how many")
	cmd.Flags().IntVar(&cfg.Services, "services", 1, "how many")
	return cmd
}

// newPeerCommand is the process of a peer that is in this build; people never call it.
func newPeerCommand(name string, run func(cmd *cobra.Command, listen netip.AddrPort) error) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use: name, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			address, err := netip.ParseAddrPort(listen)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			return run(cmd, address)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "`ADDRESS:PORT` on the loopback interface")
	return cmd
}

func newGoflow2Command() *cobra.Command {
	return newPeerCommand("goflow2", func(cmd *cobra.Command, listen netip.AddrPort) error {
		return peer.RunGoflow2(cmd.Context(), listen, os.Stdin, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	})
}

func newReceiveCommand() *cobra.Command {
	return newPeerCommand("receive", func(cmd *cobra.Command, listen netip.AddrPort) error {
		return peer.RunReceive(cmd.Context(), listen, os.Stdin, os.Stdout)
	})
}

func join(err, other error) error { return errors.Join(err, other) }

func running(p *child.Process) error {
	if p == nil {
		return nil
	}
	return p.Running()
}
