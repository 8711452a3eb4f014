package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/core/registry"

	"github.com/ezscale/platform/internal/secret/keyring"
)

var (
	// ErrNoRing says that nobody has made a ring in this database.
	ErrNoRing = errors.New("there is no ring of keys for secrets yet")
	// ErrNoKEK says that none of the key-encryption keys is where it should be.
	ErrNoKEK = errors.New("there is no key-encryption key")
)

// KEKs name the key-encryption keys by their URIs. They are opened at each reading that needs one: a file that an
// operator puts back is found without a restart.
type KEKs struct {
	URI    string                           // wraps a ring that is made or wrapped anew
	Old    []string                         // open rings besides, while one key is exchanged for another
	Lookup func(name string) (string, bool) // of env: URIs; os.LookupEnv in a program
	KMS    []registry.KMSClient             // take what is neither file: nor env:
}

// Open gives the key that wraps.
func (k KEKs) Open() (*keyring.KEK, error) { return k.open(k.URI) }

func (k KEKs) open(uri string) (*keyring.KEK, error) {
	return keyring.OpenKEK(uri, append([]registry.KMSClient{keyring.Files(), keyring.Env(k.Lookup)}, k.KMS...)...)
}

// all gives those that can be opened, and why the others cannot.
func (k KEKs) all() (keks []*keyring.KEK, faults error) {
	for _, uri := range append([]string{k.URI}, k.Old...) {
		kek, err := k.open(uri)
		if err != nil {
			faults = errors.Join(faults, err)
			continue
		}
		keks = append(keks, kek)
	}
	return keks, faults
}

// KeyID is the id of a key of the ring. People read it in hexadecimal.
type KeyID uint32

func (id KeyID) String() string { return fmt.Sprintf("%08x", uint32(id)) }

// MarshalText writes it as people read it.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// State is the ring as the database has it: wrapped, and what may be known of it.
type State struct {
	Version   int64
	Wrapped   []byte
	KEK       string  // URI of the key that wrapped it
	KEKID     *KeyID  // nil: a KMS keeps it
	Keys      []KeyID // oldest first
	Primary   KeyID
	UpdatedAt time.Time
	Age       time.Duration // since UpdatedAt, by the database's clock
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const selectRing = `select version, wrapped, kek, kek_id, keys, primary_key, updated_at,
	greatest(extract(epoch from clock_timestamp() - updated_at), 0)::float8 from secret_ring`

// Read reads the ring, without opening it; ErrNoRing.
func Read(ctx context.Context, from Querier) (State, error) { return readRing(ctx, from, selectRing) }

// ReadForUpdate reads the ring and locks it until the transaction ends: who writes by one of its keys has committed by
// then, and nobody does meanwhile.
func ReadForUpdate(ctx context.Context, tx pgx.Tx) (State, error) {
	return readRing(ctx, tx, selectRing+" for update")
}

func readRing(ctx context.Context, from Querier, sql string) (s State, err error) {
	var kekID *int64
	var keys []int64
	var primary int64
	var age float64
	err = from.QueryRow(ctx, sql).Scan(&s.Version, &s.Wrapped, &s.KEK, &kekID, &keys, &primary, &s.UpdatedAt, &age)
	if errors.Is(err, pgx.ErrNoRows) {
		return State{}, ErrNoRing
	}
	if err != nil {
		return State{}, fmt.Errorf("read the ring of secrets: %w", err)
	}
	if kekID != nil {
		id := KeyID(*kekID)
		s.KEKID = &id
	}
	for _, key := range keys {
		s.Keys = append(s.Keys, KeyID(key))
	}
	s.Primary, s.Age = KeyID(primary), time.Duration(age*float64(time.Second))
	return s, nil
}

// WrappedBy names the key-encryption key that the ring needs, for people.
func (s State) WrappedBy() string {
	if s.KEKID == nil {
		return s.KEK
	}
	return fmt.Sprintf("%s (key %s)", s.KEK, s.KEKID)
}

// Opened is a ring, and what it was read and opened from.
type Opened struct {
	State
	Ring *keyring.Ring
	By   *keyring.KEK
}

// Open unwraps the ring by whichever of the keys fits.
func (s State) Open(keks KEKs) (Opened, error) {
	keys, faults := keks.all()
	if len(keys) == 0 {
		return Opened{}, fmt.Errorf("version %d of the ring, wrapped by %s: %w: %w", s.Version, s.WrappedBy(), ErrNoKEK, faults)
	}
	ring, by, err := keyring.Unwrap(s.Wrapped, keys...)
	if err != nil {
		return Opened{}, fmt.Errorf("version %d of the ring, wrapped by %s: %w", s.Version, s.WrappedBy(), errors.Join(faults, err))
	}
	return Opened{State: s, Ring: ring, By: by}, nil
}

func (o *Opened) same(s State) bool {
	return o.Version == s.Version && bytes.Equal(o.Wrapped, s.Wrapped)
}

// Current reads the ring now and opens it, for who changes it.
func Current(ctx context.Context, from Querier, keks KEKs) (Opened, error) {
	state, err := Read(ctx, from)
	if err != nil {
		return Opened{}, err
	}
	return state.Open(keks)
}

func level(err error) slog.Level {
	if errors.Is(err, ErrNoRing) {
		return slog.LevelInfo
	}
	return slog.LevelError
}

// remedy says what an operator can do.
func remedy(err error) string {
	switch {
	case errors.Is(err, ErrNoRing):
		return "run `ezscale secrets init`, once"
	case errors.Is(err, keyring.ErrKMS):
		return "see that the key management service answers and lets this role in (EZSCALE_VAULT_TOKEN_FILE, EZSCALE_VAULT_CA); it is asked again within a minute"
	case errors.Is(err, keyring.ErrWrongKEK):
		return "let EZSCALE_SECRET_KEY, or EZSCALE_SECRET_KEY_OLD, name the key that wrapped the ring"
	case errors.Is(err, keyring.ErrDamagedRing), errors.Is(err, keyring.ErrNotSealed):
		return "take table secret_ring from a backup of the database"
	case errors.Is(err, ErrNoKEK):
		return "put the key back from its backup to where EZSCALE_SECRET_KEY says; see docs/operating/secrets.md"
	}
	return "look whether Postgres answers and this role may read secret_ring"
}
