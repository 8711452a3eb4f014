package secrets_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/core/registry"

	"github.com/ezscale/platform/command/internal/worldtest"
	"github.com/ezscale/platform/command/secrets"
	"github.com/ezscale/platform/internal/gateway/transit"
	"github.com/ezscale/platform/internal/gateway/transit/transittest"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
	"github.com/ezscale/platform/internal/secret/vault"
)

// rewrap wraps the ring by the first of the keys, as `ezscale secrets rewrap` does, which then are the fixture's.
func (f *fixture) rewrap(by string, kms registry.KMSClient, old ...string) vault.State {
	f.Helper()
	f.keks = vault.KEKs{URI: by, Old: old, KMS: []registry.KMSClient{kms}}
	of := f.current()
	kek, err := f.keks.Open()
	if err != nil {
		f.Fatal(err)
	}
	order, err := secrets.NewRewrapRing(of, kek)
	if err != nil {
		f.Fatal(err)
	}
	worldtest.Must(f.World, order)
	return f.current().State
}

// The ring goes from a key in a file to one in Vault, from version to version there, and back; the secrets stay.
func TestRewrapByVault(t *testing.T) {
	t.Parallel()
	f, kms := setup(t, true), transittest.New(t)
	client := transit.New(transit.Config{Token: secret.New(transittest.Token), CA: kms.CA(), Timeout: 20 * time.Second})
	id := f.fill(f.vault(vault.Config{}), 1)[0]
	file, uri := f.keks.URI, kms.Key("ezscale")
	opens := func(step string) {
		t.Helper()
		sealed := worldtest.One[[]byte](f.World, `select seed from safe`)
		if got, err := f.vault(vault.Config{}).Open(t.Context(), sealed, seeds.At(id.String())); err != nil || got.Reveal() != text(id.String(), 0) {
			t.Errorf("%s: %v", step, err)
		}
	}
	state := f.rewrap(uri, client, file)
	if state.KEK != uri || state.KEKID != nil || !bytes.Contains(state.Wrapped, []byte("vault:v1:")) {
		t.Errorf("by Vault: %s, %v", state.WrappedBy(), state.KEKID)
	}
	if _, err := vault.Current(t.Context(), f.Pool, vault.KEKs{URI: file}); !errors.Is(err, keyring.ErrWrongKEK) || errors.Is(err, keyring.ErrDamagedRing) {
		t.Errorf("by the file alone: %v", err)
	}
	opens("with both")
	kms.Rotate("ezscale")
	f.keks.Old = nil
	opens("after Vault's key was rotated")
	if state = f.rewrap(uri, client); !bytes.Contains(state.Wrapped, []byte("vault:v2:")) {
		t.Error("it is not wrapped by the newest version")
	}
	kms.Least("ezscale", 2)
	opens("without the first version")
	if state = f.rewrap(file, client, uri); state.KEK != file || state.KEKID == nil {
		t.Errorf("by the file: %s", state.WrappedBy())
	}
	kms.Requests()
	opens("with both again")
	f.keks.Old = nil
	opens("by the file alone")
	if _, err := vault.Current(t.Context(), f.Pool, vault.KEKs{URI: uri, KMS: f.keks.KMS}); !errors.Is(err, keyring.ErrWrongKEK) || errors.Is(err, keyring.ErrKMS) {
		t.Errorf("by Vault alone: %v", err)
	}
	if asked := kms.Requests(); len(asked) != 0 {
		t.Errorf("Vault was asked about what it has not wrapped: %q", asked)
	}
}

// While Vault is away, the ring is not wrapped anew: it stays as it was.
func TestRewrapWhileVaultIsAway(t *testing.T) {
	t.Parallel()
	f, kms := setup(t, true), transittest.New(t)
	client := transit.New(transit.Config{Token: secret.New(transittest.Token), CA: kms.CA(), Timeout: 20 * time.Second})
	f.keks = vault.KEKs{URI: kms.Key("ezscale"), Old: []string{f.keks.URI}, KMS: []registry.KMSClient{client}}
	kek, err := f.keks.Open()
	if err != nil {
		t.Fatal(err)
	}
	kms.Seal()
	if _, err := secrets.NewRewrapRing(f.current(), kek); !errors.Is(err, keyring.ErrKMS) {
		t.Errorf("made an order: %v", err)
	}
	f.current()
}
