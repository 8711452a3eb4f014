package main

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/cmd/ezscale/gate"
	"github.com/ezscale/platform/cmd/ezscale/process"
	"github.com/ezscale/platform/cmd/ezscale/proving"
	"github.com/ezscale/platform/internal/clickhouse"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/web"
)

// apiExtras are what only `ezscale up` gives the API.
type apiExtras struct {
	mailbox func(context.Context) ([]api.Message, error)
	sweep   func(context.Context) error
}

func (b *base) addAPI(ctx context.Context, extras apiExtras) (*api.Server, error) {
	db, err := b.commands(ctx)
	if err != nil {
		return nil, err
	}
	read, err := b.pool(ctx, postgres.RoleQuery)
	if err != nil {
		return nil, err
	}
	door, err := b.pool(ctx, postgres.RoleDoor)
	if err != nil {
		return nil, err
	}
	sites, err := guard.ParseSites(b.cfg.AccountURL, b.cfg.AdminURL)
	if err != nil {
		return nil, fmt.Errorf("EZSCALE_ACCOUNT_URL, EZSCALE_ADMIN_URL: %w", err)
	}
	vault, err := b.secrets(ctx, postgres.RoleDoor)
	if err != nil {
		return nil, err
	}
	tools, release, err := proving.Tools(b.cfg, sites, proving.Parts{Door: door, Vault: vault, Now: machineNow, Log: b.log, Registry: b.registry})
	if err != nil {
		return nil, err
	}
	b.process.Add("proofs", process.Closer(release))
	click, err := b.clickHouse(ctx)
	if err != nil {
		return nil, err
	}
	wall := query.NewWall(read)
	b.check("postgres as customers", "grant ezscale_customer to the login user of EZSCALE_POSTGRES_QUERY", wall.Check)
	development := b.cfg.Mode == config.Development
	pages, err := web.New(web.Config{Brand: b.cfg.Brand, AdminHost: sites.Admin.Hostname(), Development: development})
	if err != nil {
		return nil, fmt.Errorf("open the pages: %w", err)
	}
	settings := api.Config{Address: b.cfg.HTTP, Token: b.cfg.Token, Sites: sites, Production: !development, Development: development, Proxies: b.cfg.Proxies}
	if err := b.addGate(&settings); err != nil {
		return nil, err
	}
	server, err := api.New(settings, api.Dependencies{
		Commands: db, Postgres: wall, Background: read, Door: door, Proofs: tools, ClickHouse: click, Clock: b.clock, MachineNow: machineNow, Log: b.log, Registry: b.registry,
		Health: b.health.Parts, Metrics: observe.MetricsHandler(b.registry),
		Web:     pages,
		Mailbox: extras.mailbox, Sweep: extras.sweep,
	})
	if err != nil {
		return nil, fmt.Errorf("compose the API: %w", err)
	}
	b.process.Add("api", server)
	return server, nil
}

// addGate puts Cloudflare Access before the admin site, where the settings say so.
func (b *base) addGate(settings *api.Config) error {
	found, err := gate.New(b.cfg.Access, machineNow, nil, b.log, b.registry)
	if err != nil || found == nil {
		return err
	}
	settings.Gate = found
	b.process.Add("cloudflare access", found)
	return nil
}

// clickHouse opens the pool of the read models at first use.
func (b *base) clickHouse(ctx context.Context) (driver.Conn, error) {
	if b.click != nil {
		return b.click, nil
	}
	err := await(ctx, b.log, "ClickHouse", func() (err error) {
		b.click, err = clickhouse.Open(ctx, clickhouse.Config{DSN: b.cfg.ClickHouse})
		return err
	})
	if err != nil {
		return nil, err
	}
	b.process.Add("pool of ClickHouse", process.Closer(func() { _ = b.click.Close() }))
	b.check("clickhouse", "look whether ClickHouse runs; graphs need it, billing does not", b.click.Ping)
	return b.click, nil
}
