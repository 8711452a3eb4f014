package main

import (
	"context"

	"github.com/google/uuid"

	"github.com/ezscale/platform/cmd/ezscale/secretring"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/outbox"
	"github.com/ezscale/platform/internal/consumer"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/postgres"
	"github.com/ezscale/platform/internal/secret/vault"
)

// Each compose_ file has the add… function of one role: it adds the role's parts to the process, in the order in which
// they start. Here is what roles share.

// commands gives the place to run commands on, with a waker that stops after all who use it.
func (b *base) commands(ctx context.Context) (*command.DB, error) {
	if b.db != nil {
		return b.db, nil
	}
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	waker, err := b.outboxWaker(ctx)
	if err != nil {
		return nil, err
	}
	b.db = command.NewDB(pool, waker, b.log, b.registry)
	return b.db, nil
}

func (b *base) outboxWaker(ctx context.Context) (*outbox.Waker, error) {
	if b.waker != nil {
		return b.waker, nil
	}
	pool, err := b.pool(ctx, postgres.RoleCommand)
	if err != nil {
		return nil, err
	}
	b.waker = outbox.NewWaker(pool, b.log)
	b.process.Add("outbox waker", b.waker)
	return b.waker, nil
}

const secretsCheck = "secrets"

// secrets gives what seals and opens, as the role whose pool it reads the ring by.
func (b *base) secrets(ctx context.Context, role postgres.Role) (*vault.Vault, error) {
	if b.vault != nil {
		return b.vault, nil
	}
	pool, err := b.pool(ctx, role)
	if err != nil {
		return nil, err
	}
	if b.vault, err = secretring.NewVault(b.cfg, pool, b.log, b.registry); err != nil {
		return nil, err
	}
	b.process.Add("secrets", b.vault)
	b.check(secretsCheck, "`ezscale secrets status` says what is wrong; docs/operating/secrets.md how to mend it", b.vault.Health)
	return b.vault, nil
}

func (b *base) consumerConfig() consumer.Config {
	return consumer.Config{Instance: b.owner, Now: machineNow}
}

func (b *base) check(name, mend string, run func(context.Context) error) {
	b.health.Add(observe.Check{Name: name, Mend: mend, Run: run})
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
