package tools

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/client"
)

// clientFlags say where the platform is: a data directory of "ezscale up" on this machine, or an address.
type clientFlags struct {
	data string
	url  string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", "./var", "data directory of \"ezscale up\"; address and token are found there")
	cmd.Flags().StringVar(&f.url, "url", "", "address of the platform instead, with the token in EZSCALE_TOKEN")
	cmd.MarkFlagsMutuallyExclusive("data", "url")
}

// Connection is these flags for commands that have a package of their own.
type Connection struct{ flags clientFlags }

// Add adds the flags to a command.
func (c *Connection) Add(cmd *cobra.Command) { c.flags.add(cmd) }

// Connect makes the client.
func (c *Connection) Connect() (*client.Client, error) { return c.flags.connect() }

// connect makes the client. EZSCALE_TOKEN goes before the token of the data directory.
func (f *clientFlags) connect() (*client.Client, error) {
	cfg := client.Config{URL: f.url}
	if f.url == "" {
		found, err := client.Find(f.data)
		if err != nil {
			return nil, err
		}
		cfg = found
	}
	if token := os.Getenv("EZSCALE_TOKEN"); token != "" {
		cfg.Token = token
	}
	if cfg.Token == "" {
		return nil, fmt.Errorf("set EZSCALE_TOKEN to the operator's token of %s", cfg.URL)
	}
	return client.New(cfg)
}

// ByFlags names what a refusal is about as the command line does.
func ByFlags(err error) error {
	var problem *client.Problem
	if !errors.As(err, &problem) {
		return err
	}
	for i, field := range problem.Errors {
		name, ok := strings.CutPrefix(field.Location, "query.")
		if !ok {
			continue
		}
		if flag, ok := map[string]string{"if_index": "port", "q": "search"}[name]; ok {
			name = flag
		}
		problem.Errors[i].Location = "--" + name
	}
	return err
}
