package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/internal/observe"
)

const (
	healthBound     = 10 * time.Second
	healthBodyBytes = 1 << 20
)

// NewHealthCommand asks one role's /health/ready.
func NewHealthCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "health URL",
		Short:   "Ask a role whether every part of it serves (for container health checks)",
		Example: "  ezscale health http://127.0.0.1:9090",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parts, err := askHealth(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			printParts(cmd.OutOrStdout(), parts)
			if !observe.Ready(parts) {
				return ExitError{Code: 1}
			}
			return nil
		},
	}
}

// askHealth reads /health/ready below a base URL.
func askHealth(ctx context.Context, base string) ([]observe.Part, error) {
	ctx, cancel := context.WithTimeout(ctx, healthBound)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/health/ready", nil)
	if err != nil {
		return nil, fmt.Errorf("health URL: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("nobody answers: %w", err)
	}
	defer response.Body.Close()
	var answer struct{ Parts []observe.Part }
	if err := json.NewDecoder(io.LimitReader(response.Body, healthBodyBytes)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s does not answer as a role of ezscale does (status %d): %w", base, response.StatusCode, err)
	}
	return answer.Parts, nil
}

func printParts(out io.Writer, parts []observe.Part) {
	for _, p := range parts {
		switch {
		case p.OK:
			fmt.Fprintf(out, "ok    %s\n", p.Name)
		case p.Mend == "":
			fmt.Fprintf(out, "FAIL  %s: %s\n", p.Name, p.Reason)
		default:
			fmt.Fprintf(out, "FAIL  %s: %s\n      %s\n", p.Name, p.Reason, p.Mend)
		}
	}
}
