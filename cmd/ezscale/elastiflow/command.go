// Package elastiflow is `ezscale replay elastiflow` and `ezscale replay list`: flags in, a progress bar and a table out.
// Everything that counts is in metering/replay.
package elastiflow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ezscale/platform/cmd/ezscale/operator"
	"github.com/ezscale/platform/cmd/ezscale/when"
	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/metering/replay/elastiflow"
	"github.com/ezscale/platform/metering/replay/journal"
)

// passwordVariable is where the password may be, instead of in a file. It is never a flag: those are seen by all.
const passwordVariable = "EZSCALE_ELASTICSEARCH_PASSWORD"

const maxSecret = 64 << 10 // bytes of a password or CA file

// options are the flags of `replay elastiflow`.
type options struct {
	url, user, passwordFile, caFile string
	from, to                        string
	insecure, follow                bool
	replay                          elastiflow.Config
}

// NewCommand reads an ElastiFlow installation; it stands below `replay`.
func NewCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "elastiflow",
		Short: "Meter the flow documents of an ElastiFlow installation, each once",
		Long: `Reads the flow documents of an ElastiFlow installation from its Elasticsearch (7.12 or later) and gives them to the
meter. The schema is found out per index: logstash v3 and v4, CODEX, ECS. Bytes in them are scaled already and are taken
as they are; an exporter whose documents show something else is stopped until --trust names it.

The same document counts once, whatever happens: run the same command again after an interruption and it goes on, run it
after it is done and it takes what has been added since. Documents of unknown exporters, and those that cannot be read,
are counted by reason and never billed.

With --follow it reads up to --lag before now, for ever, and the last --window again each minute, because documents are
indexed late. Billing cycles wait for it as for a collector.

The password is read from --password-file or ` + passwordVariable + `.`,
		Example: "  ezscale replay elastiflow --url https://es:9200 --user reader --password-file pw --from 2026-05-01 --to 2026-06-01 --dry-run\n" +
			"  ezscale replay elastiflow --url https://es:9200 --user reader --password-file pw --from 2026-05-01 --to 2026-06-01 --slice 10m\n" +
			"  ezscale replay elastiflow --url https://es:9200 --user reader --password-file pw --follow",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, o) },
	}
	operator.AddDataFlag(cmd)
	o.bind(cmd)
	return cmd
}

func (o *options) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.url, "url", "http://127.0.0.1:9200", "of Elasticsearch")
	f.StringVar(&o.user, "user", "", "to log in as")
	f.StringVar(&o.passwordFile, "password-file", "", "file that holds the user's password")
	f.StringVar(&o.caFile, "ca-file", "", "certificates that sign Elasticsearch's, PEM (default: the system's)")
	f.BoolVar(&o.insecure, "insecure", false, "take any certificate")
	f.StringVar(&o.from, "from", "", "first time to read, a date or RFC 3339, whole minutes; with --follow by default now")
	f.StringVar(&o.to, "to", "", "end, exclusive")
	f.BoolVar(&o.follow, "follow", false, "read up to now, for ever")
	f.StringArrayVar(&o.replay.Indices, "index", elastiflow.DefaultIndices(), "index pattern, or one to leave out with a - before it; may be given again")
	f.StringVar(&o.replay.Fallback, "exporter", "", "take documents that fit no registered exporter for this one's")
	f.StringArrayVar(&o.replay.Trust, "trust", nil, "exporter, by name or address, whose scale is believed whatever its documents show; may be given again")
	f.StringVar(&o.replay.Name, "name", "", "of the replay, to go on by (default: made of what it reads)")
	f.DurationVar(&o.replay.Slice, "slice", time.Minute, "time read at once, whole minutes up to 1h")
	f.IntVar(&o.replay.Page, "page", 5000, "documents asked for at once, up to 10000")
	f.DurationVar(&o.replay.Lag, "lag", 2*time.Minute, "with --follow, stay so far behind now")
	f.DurationVar(&o.replay.Window, "window", 15*time.Minute, "with --follow, read so much again each minute")
	f.DurationVar(&o.replay.Keep, "keep", 24*time.Hour, "remember for so long which documents of a minute were counted; what comes later is reported, not billed")
	f.BoolVar(&o.replay.DryRun, "dry-run", false, "read and count, and send nothing")
}

// config reads the flags that are more than a value.
func (o options) config(now time.Time) (elastiflow.Config, elasticsearch.Config, error) {
	cfg, from := o.replay, elasticsearch.Config{URL: o.url, User: o.user, Insecure: o.insecure}
	var err error
	if cfg.From, err = when.Flag("from", o.from); err != nil {
		return cfg, from, err
	}
	if cfg.To, err = when.Flag("to", o.to); err != nil {
		return cfg, from, err
	}
	switch {
	case o.follow && !cfg.To.IsZero():
		return cfg, from, errors.New("--follow has no end: leave out --to")
	case !o.follow && (cfg.From.IsZero() || cfg.To.IsZero()):
		return cfg, from, errors.New("say --from and --to, or --follow")
	case o.follow && cfg.From.IsZero():
		cfg.From = now.Add(-cfg.Lag).Truncate(time.Minute)
	}
	if from.Password, err = o.password(); err != nil {
		return cfg, from, err
	}
	if o.caFile != "" {
		from.CA, err = readFile("--ca-file", o.caFile)
	}
	return cfg, from, err
}

func (o options) password() (string, error) {
	if o.passwordFile == "" {
		return os.Getenv(passwordVariable), nil
	}
	text, err := readFile("--password-file", o.passwordFile)
	return strings.TrimRight(string(text), "\r\n"), err
}

func readFile(flag, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = fmt.Errorf("longer than %d bytes", maxSecret)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return text, nil
}

func run(cmd *cobra.Command, o options) error {
	cfg, from, err := o.config(time.Now())
	if err != nil {
		return err
	}
	client, err := elasticsearch.New(from)
	if err != nil {
		return err
	}
	defer client.Close()
	platform, err := operator.Open(cmd, postgres.RoleMeter)
	if err != nil {
		return err
	}
	defer platform.Close()
	shown := newProgress(os.Stderr, time.Now)
	replay, err := elastiflow.New(cfg, elastiflow.Dependencies{
		Elasticsearch: client, Kafka: platform.Kafka, Journal: journal.New(platform.Pool, time.Now), Now: time.Now,
		Exporters: func(ctx context.Context) ([]elastiflow.Exporter, error) { return exporters(ctx, platform) },
		Progress:  shown.show, Log: platform.Log,
	})
	if err != nil {
		return err
	}
	counts, err := replay.Run(cmd.Context())
	shown.end()
	if counts.Found > 0 || err == nil {
		if err := writeSummary(cmd.OutOrStdout(), replay, counts, cfg.DryRun); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, context.Canceled) && o.follow:
		return nil // that is how it ends
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted; run the same command again and it goes on from here: %w", err)
	}
	return err
}

func exporters(ctx context.Context, p *operator.Platform) ([]elastiflow.Exporter, error) {
	list, err := p.Exporters(ctx)
	all := make([]elastiflow.Exporter, len(list))
	for i, e := range list {
		all[i] = elastiflow.Exporter{ID: e.ID, Name: e.Name, Source: e.Source, Agent: e.Agent}
	}
	return all, err
}

// NewListCommand lists the replays; it stands below `replay`.
func NewListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the replays of ElastiFlow installations, the last used first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd) },
	}
	operator.AddDataFlag(cmd)
	return cmd
}

func list(cmd *cobra.Command) error {
	platform, err := operator.Open(cmd, postgres.RoleMeter)
	if err != nil {
		return err
	}
	defer platform.Close()
	jobs, err := journal.New(platform.Pool, time.Now).List(cmd.Context())
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing was replayed yet")
		return nil
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "NAME\tMODE\tSTATE\tREAD UP TO\tCOUNTED\tKEPT BACK\tTO BE SENT\tUPDATED\tERROR")
	for _, j := range jobs {
		counts, err := elastiflow.ParseCounts(j.Counts)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", j.Name, j.Mode, j.State, j.Next.UTC().Format(time.RFC3339),
			counts.Counted+counts.Duplicates, counts.KeptBack(), j.Unsent, j.Updated.UTC().Format(time.RFC3339), j.Error)
	}
	return out.Flush()
}
