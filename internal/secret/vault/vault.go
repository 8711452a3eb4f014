// Package vault seals secrets for the database and opens them, for a process that runs while keys change. The ciphers
// are package keyring's; here is where the ring lies, who reads it when, and which columns hold what it sealed.
//
// The ring is the one row of secret_ring. A Vault reads it at its start, every minute, and, no more often than every
// two seconds, when it meets a value by a key that it does not know. What it has read it keeps: while Postgres or the
// key-encryption key is away, a process goes on with the ring that it has. It never makes a ring and never changes one;
// orders do (package command/secrets), with a ring that was read now (Current), wrapped anew outside the transaction
// and put in place only of the version that it was made from.
//
// A column of sealed values has the trigger secret_guard (migration 00013), which names the column and its table's key.
// The trigger is the column's one registration: Columns finds it in the catalogue, so that nothing which is sealed can
// be forgotten by renewal or by the count that must be zero before a key is removed. It also makes the removal safe:
// a writer holds the ring's row until its commit, so the removal waits for it and counts what it wrote; a writer who
// slept since before the removal is refused. No waiting time has to be long enough for that.
//
// Renewal goes over a column by its key, in batches, and replaces a value only where it still is the one that was read.
// Its progress is the rows themselves, so it can be killed anywhere and run twice at once.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/keyring"
)

// readBound is how long one reading of the ring may take.
const readBound = 5 * time.Second

var errUnread = errors.New("the ring was not read yet")

// Config says what opens the ring and how often it is read. Zero values take the defaults.
type Config struct {
	KEKs  KEKs
	Every time.Duration // between readings; default 1 min
	Again time.Duration // least pause between readings because of an unknown key; default 2 s

	// Now is the machine's clock. Required.
	Now func() time.Time
	// Step, when set, is called before each step of a batch of Renew, for crash tests. Nil in production.
	Step func(name string)
}

func (c Config) withDefaults() Config {
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if c.Again <= 0 {
		c.Again = 2 * time.Second
	}
	if c.Step == nil {
		c.Step = func(string) {}
	}
	return c
}

// Vault seals and opens. Any number of goroutines may use one.
type Vault struct {
	cfg     Config
	pool    *pgxpool.Pool
	log     *slog.Logger
	metrics *metrics
	work    background.Group

	opened atomic.Pointer[Opened] // nil: none yet

	reading sync.Mutex // one reads at a time; guards what follows
	askedAt time.Time  // last reading because somebody asked
	said    string     // last error that was logged

	trouble atomic.Pointer[error] // of the last reading; nil: none
	wanted  atomic.Bool           // somebody was refused
}

// New makes a vault; the pool's role must be allowed to select from secret_ring.
func New(cfg Config, pool *pgxpool.Pool, log *slog.Logger, reg prometheus.Registerer) *Vault {
	return &Vault{cfg: cfg.withDefaults(), pool: pool, log: log, metrics: newMetrics(reg)}
}

// Start reads the ring and goes on doing so. That it cannot be opened is no error: a process has other things to do, and
// whoever needs a secret is told. Health tells too.
func (v *Vault) Start(ctx context.Context) error {
	ctx, ok := v.work.Start(ctx)
	if !ok {
		return nil
	}
	v.read(ctx, true)
	v.work.Go(func() {
		for background.Pause(ctx, v.cfg.Every) == nil {
			v.read(ctx, true)
		}
	})
	return nil
}

// Stop ends the readings. The vault goes on with what it has.
func (v *Vault) Stop(ctx context.Context) error {
	if err := v.work.Stop(ctx); err != nil {
		return fmt.Errorf("stop the vault: %w", err)
	}
	return nil
}

// Health is nil while the ring is read as it should be. That nobody has made one is well as long as nobody needs it.
func (v *Vault) Health(context.Context) error {
	trouble := v.trouble.Load()
	if trouble == nil || errors.Is(*trouble, ErrNoRing) && !v.wanted.Load() {
		return nil
	}
	return fmt.Errorf("secrets: %w (%s)", *trouble, remedy(*trouble))
}

// Seal encrypts a value for its place. Its faults: fault.Unavailable while there is no ring; keyring.ErrTooLong and
// keyring.ErrPlace.
func (v *Vault) Seal(ctx context.Context, value secret.Text, at keyring.Place) ([]byte, error) {
	opened, err := v.ring(ctx)
	if err != nil {
		v.metrics.count("seal", err)
		return nil, err
	}
	sealed, err := opened.Ring.Seal(value, at)
	v.metrics.count("seal", err)
	return sealed, err
}

// Open decrypts what was sealed for the place. Its faults: fault.Unavailable while there is no ring, or when no ring
// that can be read has the value's key; keyring.ErrForeign, keyring.ErrNotSealed and keyring.ErrPlace, which no waiting
// mends.
func (v *Vault) Open(ctx context.Context, sealed []byte, at keyring.Place) (secret.Text, error) {
	opened, err := v.ring(ctx)
	if err != nil {
		v.metrics.count("open", err)
		return secret.Text{}, err
	}
	value, err := opened.Ring.Open(sealed, at)
	if errors.Is(err, keyring.ErrUnknownKey) {
		if newer := v.newer(ctx, opened); newer != opened {
			value, err = newer.Ring.Open(sealed, at)
		}
	}
	if errors.Is(err, keyring.ErrUnknownKey) {
		v.log.Error("a secret cannot be opened", "error", err, "remedy", "the key was removed, or belongs to a ring that was replaced: the value has to be entered anew")
		err = unavailable(err)
	}
	v.metrics.count("open", err)
	return value, err
}

// ring is the ring at hand, or one that is read now.
func (v *Vault) ring(ctx context.Context) (*Opened, error) {
	if opened := v.opened.Load(); opened != nil {
		return opened, nil
	}
	if opened := v.newer(ctx, nil); opened != nil {
		return opened, nil
	}
	v.wanted.Store(true)
	why := errUnread
	if trouble := v.trouble.Load(); trouble != nil {
		why = *trouble
	}
	return nil, unavailable(why)
}

// newer reads the ring again, unless somebody has meanwhile, or did a moment ago, and gives the one that is there then.
func (v *Vault) newer(ctx context.Context, than *Opened) *Opened {
	v.reading.Lock()
	defer v.reading.Unlock()
	now := v.cfg.Now()
	if v.opened.Load() != than || now.Sub(v.askedAt).Abs() < v.cfg.Again {
		return v.opened.Load()
	}
	v.askedAt = now
	v.readLocked(ctx, false)
	v.askedAt = v.cfg.Now() // who waited meanwhile does not wait for another that is slow
	return v.opened.Load()
}

func (v *Vault) read(ctx context.Context, say bool) {
	v.reading.Lock()
	defer v.reading.Unlock()
	v.readLocked(ctx, say)
}

// readLocked reads the ring and says what is wrong, once, or each time when it is asked to.
func (v *Vault) readLocked(ctx context.Context, say bool) {
	ctx, cancel := context.WithTimeout(ctx, readBound)
	defer cancel()
	err := v.load(ctx)
	v.metrics.read(err)
	if err == nil {
		v.trouble.Store(nil)
		v.said = ""
		return
	}
	if errors.Is(err, context.Canceled) {
		return // who asked has gone
	}
	v.trouble.Store(&err)
	if say || err.Error() != v.said {
		v.said = err.Error()
		v.log.Log(ctx, level(err), "the ring of secrets was not opened", "error", err, "remedy", remedy(err), "has_one", v.opened.Load() != nil)
	}
}

func (v *Vault) load(ctx context.Context) error {
	state, err := Read(ctx, v.pool)
	if err != nil {
		return err
	}
	if at := v.opened.Load(); at != nil && at.same(state) {
		return nil
	}
	opened, err := state.Open(v.cfg.KEKs)
	if err != nil {
		return err
	}
	v.opened.Store(&opened)
	v.metrics.version.Set(float64(state.Version))
	v.log.Info("opened the ring of secrets", "version", state.Version, "keys", len(state.Keys), "primary", state.Primary.String(), "kek", opened.By.String())
	return nil
}

func unavailable(why error) error {
	return &fault.Error{Kind: fault.Unavailable, Code: "secrets_unavailable", Cause: why,
		Message: "a secret cannot be read or written at the moment; the operator finds the reason in the log"}
}
