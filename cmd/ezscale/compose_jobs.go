package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/cmd/ezscale/auditlog"
	"github.com/ezscale/platform/command/audit"
	"github.com/ezscale/platform/command/notify"
	"github.com/ezscale/platform/command/policy"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/gateway/discord"
	"github.com/ezscale/platform/internal/gateway/mail"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/postgres"
)

// settleBound is how long an advance of the clock waits for the meters to pass it, and the cycles to close.
const settleBound = 10 * time.Second

// addJobs adds the workers that call gateways and drive billing cycles; sweep does the latter at once.
func (b *base) addJobs(ctx context.Context) (sweep func(context.Context) error, err error) {
	db, err := b.commands(ctx)
	if err != nil {
		return nil, err
	}
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	runner := jobs.New(jobs.Config{}, pool, b.log, b.registry)
	sweeper := policy.NewSweeper(policy.SweeperConfig{}, db, pool, b.clock.Now, newID, b.log, b.registry)
	sweeper.Register(runner, b.cfg.Sweep)
	policy.RegisterHousekeeping(runner, db, pool, b.clock.Now)
	policy.NewForgetting(pool, b.clock.Now, machineNow, b.registry).Register(runner)
	unseen := prometheus.NewRegistry() // sweepers of their own, whose names the API's have taken; what jobs do is counted with the jobs
	policy.RegisterDoors(runner, limiter.New(pool, machineNow, b.log, unseen), ephemeral.New(pool, machineNow, unseen))
	policy.RegisterReconciliation(runner, db, pool, b.clock.Now, newID)
	secrets, err := b.secrets(ctx, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	policy.RegisterRenewal(runner, secrets)
	deliverer, err := b.deliverer()
	if err != nil {
		return nil, err
	}
	deliverer.Register(runner)
	if err := b.addSealer(ctx); err != nil {
		return nil, err
	}
	b.process.Add("jobs", runner)
	b.check("jobs", "look at the log of the jobs role for what fails", runner.Health)
	return func(ctx context.Context) error {
		_, err := sweeper.Settle(ctx, settleBound)
		return err
	}, nil
}

// addSealer adds what chains the audit log. It lives with the jobs because they, alone of the roles that write, need
// nothing but Postgres: what was ordered is sealed while Kafka is away, too.
func (b *base) addSealer(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleAudit)
	if err != nil {
		return err
	}
	key, err := auditlog.SigningKey(b.cfg)
	if err != nil {
		return fmt.Errorf("compose the audit log: %w", err)
	}
	sealer := audit.NewSealer(audit.Config{Now: machineNow}, pool, key, b.log, b.registry)
	b.process.Add("audit log", sealer)
	b.check("audit log", "look for a transaction that stays open, and at the log of the jobs role", func(context.Context) error { return sealer.Health() })
	return nil
}

func (b *base) deliverer() (*policy.Deliverer, error) {
	renderer, err := notify.NewRenderer(notify.Brand{Name: b.cfg.Brand, URL: b.cfg.AccountURL, AdminURL: b.cfg.AdminURL})
	if err != nil {
		return nil, fmt.Errorf("compose the notices: %w", err)
	}
	cfg := policy.DelivererConfig{DB: b.db, Renderer: renderer, Now: b.clock.Now, Machine: machineNow, NewID: newID}
	if b.cfg.Mail.SMTP != "" {
		settings, err := mailConfig(b.cfg.Mail)
		if err != nil {
			return nil, err
		}
		if cfg.Mail, err = mail.New(settings); err != nil {
			return nil, fmt.Errorf("compose the mails: %w", err)
		}
	}
	if b.cfg.Discord != "" {
		if cfg.Discord, err = discord.New(discord.Config{URL: b.cfg.Discord}); err != nil {
			return nil, fmt.Errorf("compose the Discord posts: %w", err)
		}
	}
	return policy.NewDeliverer(cfg, b.log, b.registry), nil
}

// mailConfig reads smtp://user:password@host:port (STARTTLS) or smtps://… (TLS from the start).
func mailConfig(c config.Mail) (mail.Config, error) {
	u, err := url.Parse(c.SMTP)
	if err != nil || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return mail.Config{}, fmt.Errorf("EZSCALE_SMTP: want smtp:// or smtps://") // the value may hold a password
	}
	settings := mail.Config{Host: u.Hostname(), From: c.From, TLS: mail.TLSStart}
	switch {
	case u.Scheme == "smtps":
		settings.TLS = mail.TLSImplicit
	case c.Insecure:
		settings.TLS = mail.TLSNone
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil {
		if settings.Port, err = strconv.Atoi(port); err != nil {
			return mail.Config{}, fmt.Errorf("EZSCALE_SMTP: port: %w", err)
		}
	}
	settings.Username = u.User.Username()
	settings.Password, _ = u.User.Password()
	return settings, nil
}
