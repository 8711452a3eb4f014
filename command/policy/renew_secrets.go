package policy

import (
	"context"
	"errors"
	"time"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/jobs"
	"github.com/ezscale/platform/internal/secret/vault"
)

const (
	renewEvery  = time.Hour
	renewPause  = time.Second // between runs, while there is more
	renewRounds = 50          // of one run, 200 values each
)

// RenewSecrets is the periodic job that seals anew, with the primary key, what older keys of the ring have sealed.
type RenewSecrets struct{}

// Kind is the job's name.
func (RenewSecrets) Kind() string { return "secrets.renew" }

// RegisterRenewal makes a job runner renew secrets, hourly; `ezscale secrets renew` does the same at once.
func RegisterRenewal(r *jobs.Runner, secrets *vault.Vault) {
	jobs.Handle(r, func(ctx context.Context, _ jobs.Job[RenewSecrets]) error {
		more, err := RenewSecretsNow(ctx, secrets, renewRounds)
		if err == nil && more {
			return jobs.Snooze(renewPause)
		}
		return err
	})
	r.Every(renewEvery, RenewSecrets{})
}

// RenewSecretsNow does the work of the job once; more tells whether values are left for the next run. Without a ring there is nothing to do.
func RenewSecretsNow(ctx context.Context, secrets *vault.Vault, rounds int) (more bool, err error) {
	renewal, err := secrets.Renewal(ctx)
	if errors.Is(err, vault.ErrNoRing) && fault.Is(err, fault.Unavailable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for range rounds {
		if more, err = renewal.Next(ctx); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}
