package vault_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/core/registry"

	"github.com/ezscale/platform/internal/gateway/transit"
	"github.com/ezscale/platform/internal/gateway/transit/transittest"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// keptBy has the fixture's key kept by a Vault.
func keptBy(f *fixture, kms *transittest.Vault) {
	cfg := transit.Config{Token: secret.New(transittest.Token), CA: kms.CA(), Timeout: patience}
	f.keks = vault.KEKs{URI: kms.Key("ezscale"), KMS: []registry.KMSClient{transit.New(cfg)}}
}

// While the KMS is away at a process's start, callers are told to come again and operators why. When it is back, that
// is found without a restart, and from then on it is not asked any more: it may go again.
func TestKMSAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(*transittest.Vault)
		mend   func(*transittest.Vault)
		says   string
		remedy string
		want   error
	}{
		"sealed":      {(*transittest.Vault).Seal, func(v *transittest.Vault) { v.Answer(nil) }, "503, it is sealed", "EZSCALE_VAULT_TOKEN_FILE", keyring.ErrKMS},
		"wrong token": {func(v *transittest.Vault) { v.Admit("hvs.other") }, func(v *transittest.Vault) { v.Admit(transittest.Token) }, "403, the token is wrong", "EZSCALE_VAULT_TOKEN_FILE", keyring.ErrKMS},
		"hangs up": {func(v *transittest.Vault) {
			v.Answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, func(v *transittest.Vault) { v.Answer(nil) }, "EOF", "answers and lets this role in", keyring.ErrKMS},
		"another key": {func(v *transittest.Vault) {
			v.Answer(transittest.Fail(http.StatusBadRequest, "cipher: message authentication failed"))
		}, func(v *transittest.Vault) { v.Answer(nil) }, "message authentication failed", "name the key that wrapped the ring", keyring.ErrWrongKEK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, kms := setup(t), transittest.New(t)
			keptBy(f, kms)
			f.put(newRing(t))
			c.spoil(kms)
			v := f.start(time.Hour)
			_, err := v.Seal(t.Context(), secret.New(canary), place)
			unavailable(t, err)
			if err := v.Health(t.Context()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.remedy) || !strings.Contains(err.Error(), f.keks.URI) {
				t.Errorf("health: %v", err)
			}
			if log := f.log.text(); !strings.Contains(log, c.says) || strings.Contains(log, canary) || strings.Contains(log, transittest.Token) {
				t.Errorf("log: %s", log)
			}
			c.mend(kms)
			f.advance(3 * time.Second)
			sealed, err := v.Seal(t.Context(), secret.New(canary), place)
			if err != nil || v.Health(t.Context()) != nil {
				t.Fatalf("after it is back: %v, %v", err, v.Health(t.Context()))
			}
			kms.Seal()
			kms.Requests()
			f.advance(3 * time.Second)
			if got, err := v.Open(t.Context(), sealed, place); err != nil || got.Reveal() != canary || len(kms.Requests()) != 0 {
				t.Errorf("with the ring at hand: %v", err)
			}
		})
	}
}

// However long a reading takes, those who waited for it do not each wait for one more.
func TestOneSlowReadingForAll(t *testing.T) {
	t.Parallel()
	f, kms := setup(t), transittest.New(t)
	keptBy(f, kms)
	f.put(newRing(t))
	kms.Seal()
	v := f.start(time.Hour)
	kms.Answer(func(w http.ResponseWriter, r *http.Request) {
		f.advance(4 * time.Second)
		transittest.Fail(http.StatusServiceUnavailable)(w, r)
	})
	kms.Requests()
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			_, err := v.Seal(t.Context(), secret.New(canary), place)
			unavailable(t, err)
		})
	}
	group.Wait()
	if n := len(kms.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}
