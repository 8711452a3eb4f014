package network

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/client"
)

// NewPortsCommand lists, binds and releases ports.
func NewPortsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ports", Short: "Ports that are one service's alone, and billed by their own counters"}
	cmd.AddCommand(newPortsListCommand(), newPortsBindCommand(), newPortsReleaseCommand())
	return cmd
}

// bound is one line of the list.
type bound struct {
	client.Port
	service string
}

func newPortsListCommand() *cobra.Command {
	var exporter string
	cmd := &cobra.Command{Use: "list", Short: "List the bound ports, by exporter and number", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&exporter, "exporter", "", "only of this exporter")
	return connected(cmd, func(cmd *cobra.Command, _ []string, platform *client.Client) error {
		ports, err := boundPorts(cmd, platform, exporter)
		if err != nil {
			return err
		}
		if len(ports) == 0 {
			if err := known(cmd, platform, exporter); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "no port is bound")
			return nil
		}
		return table(cmd.OutOrStdout(), "EXPORTER\tPORT\tSERVICE\tSINCE\tUNTIL", func(w io.Writer) {
			for _, p := range ports {
				until := "–"
				if p.To != nil {
					until = p.To.UTC().Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", p.Exporter, p.IfIndex, p.service, p.From.UTC().Format(time.RFC3339), until)
			}
		})
	})
}

// known refuses the name of an exporter that there is not.
func known(cmd *cobra.Command, platform *client.Client, exporter string) error {
	if exporter == "" {
		return nil
	}
	exporters, err := client.All[client.Exporter](cmd.Context(), platform, "/exporters")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(exporters, func(e client.Exporter) bool { return e.Name == exporter }) {
		return fmt.Errorf("--exporter %s: there is no exporter of this name", exporter)
	}
	return nil
}

func boundPorts(cmd *cobra.Command, platform *client.Client, exporter string) ([]bound, error) {
	services, err := client.All[client.Service](cmd.Context(), platform, "/services")
	if err != nil {
		return nil, err
	}
	var ports []bound
	for _, s := range services {
		for _, p := range s.Ports {
			if exporter == "" || p.Exporter == exporter {
				ports = append(ports, bound{p, s.Name})
			}
		}
	}
	slices.SortFunc(ports, func(a, b bound) int {
		if byName := strings.Compare(a.Exporter, b.Exporter); byName != 0 {
			return byName
		}
		if a.IfIndex != b.IfIndex {
			return int(a.IfIndex - b.IfIndex)
		}
		return a.From.Compare(b.From)
	})
	return ports, nil
}

// portOrder is the body of an order about a port.
type portOrder struct {
	Exporter string     `json:"exporter"`
	IfIndex  int64      `json:"if_index"`
	From     *time.Time `json:"from,omitempty"`
	To       *time.Time `json:"to,omitempty"`
	At       *time.Time `json:"at,omitempty"`
}

// portAnswer is what the platform says then.
type portAnswer struct {
	From time.Time  `json:"from"`
	To   *time.Time `json:"to"`
}

func newPortsBindCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "bind EXPORTER PORT SERVICE", Short: "Bill a service by a port's counters", Args: cobra.ExactArgs(3),
		Example: "  ezscale ports bind leaf-0 513 rack-7",
	}
	cmd.Flags().StringVar(&from, "from", "", "when it begins (default: now)")
	cmd.Flags().StringVar(&to, "to", "", "when it ends (default: it lasts)")
	return connected(cmd, func(cmd *cobra.Command, args []string, platform *client.Client) (err error) {
		order := portOrder{Exporter: args[0]}
		if order.IfIndex, err = ifIndex(args[1]); err != nil {
			return err
		}
		if order.From, err = instant("from", from); err != nil {
			return err
		}
		if order.To, err = instant("to", to); err != nil {
			return err
		}
		var done portAnswer
		if err := platform.Write(cmd.Context(), http.MethodPost, "/services/"+url.PathEscape(args[2])+"/ports", "", order, &done); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "port %d of %s bills service %s since %s\n", order.IfIndex, order.Exporter, args[2], done.From.UTC().Format(time.RFC3339))
		return nil
	})
}

func newPortsReleaseCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "release EXPORTER PORT SERVICE", Short: "Take a port from a service: its prefixes' flows are billed again", Args: cobra.ExactArgs(3),
		Example: "  ezscale ports release leaf-0 513 rack-7",
	}
	cmd.Flags().StringVar(&at, "at", "", "when it ends (default: now)")
	return connected(cmd, func(cmd *cobra.Command, args []string, platform *client.Client) (err error) {
		order := portOrder{Exporter: args[0]}
		if order.IfIndex, err = ifIndex(args[1]); err != nil {
			return err
		}
		if order.At, err = instant("at", at); err != nil {
			return err
		}
		var done portAnswer
		if err := platform.Write(cmd.Context(), http.MethodPost, "/services/"+url.PathEscape(args[2])+"/ports/release", "", order, &done); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "port %d of %s is released from service %s\n", order.IfIndex, order.Exporter, args[2])
		return nil
	})
}
