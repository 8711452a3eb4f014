package main

import (
	"fmt"
	"os"

	"github.com/ezscale/platform/cmd/ezscale/addresses"
	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/cmd/ezscale/terminal"
)

// listening names the addresses that exporters may send to.
func (b *base) listening() string {
	return addresses.Listening(b.collector.Addrs(), len(b.cfg.Collector.Listen))
}

// greet says where to look, once everything serves.
func greet(o upOptions, at serving) error {
	out, data := os.Stdout, terminal.ShellWord(o.data)
	fmt.Fprintf(out, "\n  Customers       %s\n  Staff           %s\n", at.account, at.admin)
	switch {
	case o.demo:
		fmt.Fprintf(out, "  Mailbox         %s/dev/mailbox (every mail and Discord post of the demo lands there)\n", at.admin)
		fmt.Fprintf(out, "  A month's end   bin/ezscale clock advance 31d --data %s\n", data)
	case o.production:
		fmt.Fprintf(out, "  API             %s, with the operator token in %s/%s\n", at.url, o.data, runfile.TokenFile)
		fmt.Fprintf(out, "  First of staff  ezscale admin create YOU@example.com --name 'Your Name' --data %s\n", data)
		fallthrough
	default:
		fmt.Fprintf(out, "  Next            ezscale apply -f network.yaml --data %s, then point switches and routers at the sFlow or NetFlow port\n", data)
	}
	fmt.Fprintf(out, "  Check           ezscale doctor --data %s\n  Stop            Ctrl-C\n\n", data)
	return nil
}
