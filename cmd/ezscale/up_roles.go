package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/cmd/ezscale/runfile"
	"github.com/ezscale/platform/cmd/ezscale/stack"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/config"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
)

// upRoles runs every role in this process until ctx ends.
func upRoles(ctx context.Context, o upOptions, cfg config.Config, servers *embedded.Stack, log *slog.Logger, began time.Time) error {
	b, err := newBase(ctx, cfg, log)
	if err != nil {
		return err
	}
	b.health.Add(stack.Checks(servers)...)
	if err := b.freeLeases(ctx); err != nil {
		return errors.Join(err, b.process.Stop())
	}
	server, err := b.addAllRoles(ctx, o.demo)
	if err != nil {
		return errors.Join(err, b.process.Stop())
	}
	return b.process.Run(ctx, func() error {
		address := runfile.API{URL: "http://" + server.Addr(), Token: cfg.Token}
		if err := runfile.Write(filepath.Join(cfg.DataDir, runfile.APIFile), address); err != nil {
			return err
		}
		if o.demo {
			if err := b.startDemo(ctx, address); err != nil {
				return err
			}
		}
		if err := b.awaitReady(ctx); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "ready after %.1f s; %s\n", machineNow().Sub(began).Seconds(), b.listening())
		return o.ready(serving{url: address.URL, account: cfg.AccountURL, admin: cfg.AdminURL})
	})
}

// freeLeases ends what a killed predecessor held: the lock on the data directory proves that it is gone.
func (b *base) freeLeases(ctx context.Context) error {
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return err
	}
	return errors.Join(consumer.FreeLeases(ctx, pool), outbox.FreeLeases(ctx, pool))
}

func (b *base) addAllRoles(ctx context.Context, demo bool) (server *api.Server, err error) {
	var extras apiExtras
	if demo {
		if extras.mailbox, err = b.addMailbox(ctx); err != nil {
			return nil, err
		}
	}
	for _, add := range []func(context.Context) error{b.addRelay, b.addMeter, b.addProjections, b.addPolicy, b.addCollector} {
		if err := add(ctx); err != nil {
			return nil, err
		}
	}
	if extras.sweep, err = b.addJobs(ctx); err != nil {
		return nil, err
	}
	return b.addAPI(ctx, extras)
}

const readyBound = 60 * time.Second

// awaitReady waits until every part serves, and says which does not.
func (b *base) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	for {
		parts := b.health.Parts(ctx)
		// What mends the secrets needs a platform that runs, and traffic does not wait for them. The vault's log tells why.
		parts = slices.DeleteFunc(parts, func(p observe.Part) bool { return p.Name == secretsCheck })
		if observe.Ready(parts) {
			return nil
		}
		select {
		case <-ctx.Done():
			for _, p := range parts {
				if !p.OK {
					return fmt.Errorf("%s is not ready: %s", p.Name, p.Reason)
				}
			}
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}
