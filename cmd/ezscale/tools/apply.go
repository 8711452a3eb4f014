package tools

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/terminal"
	"github.com/ezscale/platform/internal/manifest"
)

// NewApplyCommand creates and changes what a YAML file names.
func NewApplyCommand() *cobra.Command {
	var flags clientFlags
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create or change what a YAML file names",
		Long: "Creates or changes the exporters, plans, customers and services that a YAML file names, and their prefixes.\n" +
			"Objects are known by name; what the file does not name is left alone; a second run changes nothing.",
		Example: "  ezscale apply -f network.yaml --dry-run\n  generate-services | ezscale apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return apply(cmd, flags, file, dryRun)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "the file; - reads standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be done, and do nothing")
	_ = cmd.MarkFlagRequired("file") // the flag exists
	return cmd
}

func apply(cmd *cobra.Command, flags clientFlags, file string, dryRun bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	wanted, err := readManifest(file, cmd.InOrStdin())
	if err != nil {
		return err
	}
	platform, err := flags.connect()
	if err != nil {
		return err
	}
	state, err := manifest.Fetch(ctx, platform)
	if err != nil {
		return err
	}
	steps, unchanged, err := manifest.Diff(wanted, state)
	if err != nil {
		return err
	}
	defer summary(out, len(steps), unchanged, dryRun)
	if dryRun {
		for _, step := range steps {
			tell(out, step)
		}
		return nil
	}
	bar := progress(len(steps))
	err = manifest.Apply(ctx, platform, wanted, steps, func(step manifest.Step) {
		_ = bar.Clear()
		tell(out, step)
		_ = bar.Add(1)
	})
	_ = bar.Finish()
	return err
}

// readManifest reads the file, or standard input for "-", within the bound of a manifest.
func readManifest(file string, stdin io.Reader) (*manifest.File, error) {
	name, source := file, stdin
	if file == "-" {
		name = "standard input"
	} else {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("open the manifest: %w", err)
		}
		defer opened.Close()
		source = opened
	}
	text, err := io.ReadAll(io.LimitReader(source, manifest.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return manifest.Parse(name, text)
}

func tell(out io.Writer, step manifest.Step) {
	for _, line := range step.Lines() {
		fmt.Fprintln(out, line)
	}
}

func summary(out io.Writer, steps, unchanged int, dryRun bool) {
	fmt.Fprintf(out, "= unchanged %d\n", unchanged)
	if dryRun {
		fmt.Fprintf(out, "dry run: %d steps, nothing was done\n", steps)
	}
}

// progress is a bar on a person's terminal, and nothing elsewhere.
func progress(steps int) *progressbar.ProgressBar {
	if steps == 0 || !terminal.Is(os.Stderr) {
		return progressbar.DefaultSilent(int64(steps))
	}
	return progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("applying"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
}

// waitFor repeats look until it says that it is done, or ctx ends.
func waitFor(ctx context.Context, look func(context.Context) (bool, error)) error {
	ticker := newTicker()
	defer ticker.Stop()
	for {
		done, err := look(ctx)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
