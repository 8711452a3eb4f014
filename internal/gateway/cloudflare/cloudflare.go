// Package cloudflare believes what Cloudflare says of a request to the staff's site: that its sender has passed Zero
// Trust (Access), in the header Cf-Access-Jwt-Assertion. Access is a layer in front of the staff's own login and takes
// the place of nothing behind it. Which address the sender has, package api/guard finds out.
//
// An assertion is a JWT (RFC 7519), signed by the team's key. Its header is judged first, before any key is looked at:
// RS256 and nothing else, so that neither "none" nor an HMAC under the public key gets anywhere; a key id; no header
// that is critical, since we know none, and none that brings a key along. Then the signature, then the claims: issuer
// exactly the team, one of our audiences, expiry, the times with a minute of leeway, type "app", and either a person
// (email and sub) or a program (common_name alone). A claim that is there twice, or under another case, is refused or not
// seen. The header's typ may be missing: what tells application tokens from others is the claim type.
//
// Keys come from the team's own host, whose name is in no setting but the team's, by https and without following
// redirects. Cloudflare changes keys every six weeks, says that a key stays valid for seven days after, and shows two at
// a time. So keys are read each hour, and also when an assertion names one that is not known, but at most once a minute:
// strangers can invent as many key ids as they like. A key that is no longer shown is used for those seven days after it
// was last seen: two changes within a week must lock nobody out. That a key was withdrawn early is therefore learnt late,
// no later than at Cloudflare itself. When keys cannot be read, the known ones are used for a day, which outlasts any
// outage that an on-call engineer would sleep through; then, as before the first reading, Verify fails with
// fault.Unavailable. Only who waits for an unknown key waits, for seconds, and in bounded number.
//
// The JOSE library is go-jose v4: it makes the caller name the algorithms, its JSON refuses duplicate names and knows
// case, it has no dependencies, Let's Encrypt answers for its security, and ory/fosite is built on it as well.
// Its one critical header, b64, is not for JWTs (RFC 7797, section 7) and is refused here.
//
// Sources: developers.cloudflare.com, Cloudflare One, "Validate JWTs" and "Application token"; RFC 8725.
package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/fault"
)

// Header carries the assertion.
const Header = "Cf-Access-Jwt-Assertion"

const (
	maxAudiences   = 16
	defaultTimeout = 10 * time.Second
	defaultWait    = 3 * time.Second
	lookEvery      = time.Second // at the clock, for what is due
)

var (
	teamPattern     = regexp.MustCompile(`^https://[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.cloudflareaccess\.com$`)
	audiencePattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Config names the team and the applications.
type Config struct {
	Team     string           // https://<team>.cloudflareaccess.com, nothing before or after
	Audience []string         // AUD tags of our applications, 64 hex digits each
	Now      func() time.Time // default time.Now
	// Client fetches the keys; default one of our own. Whatever it is, redirects are not followed and there are no
	// cookies. Tests connect it to a team of their own (cloudflaretest): the URL is the real one there too.
	Client  *http.Client
	Timeout time.Duration // of one fetch; default 10 s
	Wait    time.Duration // of one Verify for a fetch; default 3 s
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Wait <= 0 {
		c.Wait = defaultWait
	}
	return c
}

func (c Config) validate() error {
	if !teamPattern.MatchString(c.Team) {
		return fmt.Errorf("cloudflare access team %q: it has the form https://<team>.cloudflareaccess.com", c.Team)
	}
	if len(c.Audience) == 0 || len(c.Audience) > maxAudiences {
		return fmt.Errorf("cloudflare access: %d audiences, want 1 to %d", len(c.Audience), maxAudiences)
	}
	for _, a := range c.Audience {
		if !audiencePattern.MatchString(a) {
			return fmt.Errorf("cloudflare access audience %q: an AUD tag has 64 hex digits", a)
		}
	}
	return nil
}

// Verifier checks assertions. It is safe for concurrent use.
type Verifier struct {
	cfg     Config
	log     *slog.Logger
	fetcher fetcher
	keys    *keys
	metrics metrics
	work    background.Group
}

// New checks the configuration. Until Start no keys are fetched, and Verify finds none.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Verifier, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.Audience = slices.Clone(cfg.Audience)
	k := newKeys()
	return &Verifier{cfg: cfg, log: log, fetcher: newFetcher(cfg), keys: k,
		metrics: newMetrics(reg, func() float64 { return k.age(cfg.Now()) })}, nil
}

// Start begins to fetch keys. It returns at once: that Cloudflare cannot be reached keeps nothing from starting.
func (v *Verifier) Start(ctx context.Context) error {
	ctx, ok := v.work.Start(ctx)
	if !ok {
		return nil
	}
	v.keys.open()
	v.work.Go(func() { v.run(ctx) })
	return nil
}

// Stop ends fetching and whoever waits for it.
func (v *Verifier) Stop(ctx context.Context) error {
	if err := v.work.Stop(ctx); err != nil {
		return fmt.Errorf("stop fetching cloudflare access keys: %w", err)
	}
	return nil
}

// Verify checks the value of Header and says whose it is. Errors: fault.Forbidden, with a Reason in its chain, when the
// assertion proves nothing; fault.Unavailable when that cannot be known now. No error holds any part of the assertion.
func (v *Verifier) Verify(ctx context.Context, assertion string) (Identity, error) {
	id, err := v.verify(ctx, assertion)
	v.metrics.verified(err)
	return id, err
}

func (v *Verifier) verify(ctx context.Context, assertion string) (Identity, error) {
	kid, err := readHeader(assertion)
	if err != nil {
		return Identity{}, refused(err)
	}
	key, err := v.key(ctx, kid)
	if err != nil {
		return Identity{}, err
	}
	payload, err := open(assertion, key)
	if err != nil {
		return Identity{}, refused(err)
	}
	id, err := judge(payload, v.cfg.Team, v.cfg.Audience, v.cfg.Now())
	if err != nil {
		return Identity{}, refused(err)
	}
	return id, nil
}

func refused(reason error) error {
	return &fault.Error{Kind: fault.Forbidden, Code: "access_refused", Message: "this site is reached through Cloudflare Access, and this request was not", Cause: reason}
}

func unavailable(cause error) error {
	return &fault.Error{Kind: fault.Unavailable, Code: "access_unavailable", Message: "it cannot be checked now whether this request came through Cloudflare Access; try again", Cause: cause}
}

// run is the one place that fetches: what is due, and what is asked for.
func (v *Verifier) run(ctx context.Context) {
	defer v.keys.close()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if v.keys.due(v.cfg.Now()) {
			v.refresh(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-v.keys.asked:
			v.refresh(ctx)
		case <-ticker.C:
		}
	}
}

func (v *Verifier) refresh(ctx context.Context) {
	defer v.keys.finish()
	set, err := v.fetcher.fetch(ctx)
	if ctx.Err() != nil {
		return
	}
	v.metrics.fetched(err)
	if err != nil {
		v.log.WarnContext(ctx, "cloudflare access keys were not fetched", "err", err)
		return
	}
	if set.unusable > 0 {
		v.log.WarnContext(ctx, "cloudflare access shows keys that are not used: not RSA for RS256 of 2048 to 4096 bits, or without an id", "keys", set.unusable)
	}
	if added := v.keys.take(set.keys); len(added) > 0 {
		v.log.InfoContext(ctx, "cloudflare access has new keys", "kids", added)
	}
}

// key finds the key of an id, and waits for a fetch when it is not known and one is allowed or under way.
func (v *Verifier) key(ctx context.Context, kid string) (key, error) {
	if k, err := v.keys.find(kid, v.cfg.Now()); err == nil {
		return k, nil
	}
	if fetched := v.keys.ask(v.cfg.Now()); fetched != nil {
		if err := v.await(ctx, fetched); err != nil {
			return nil, unavailable(err)
		}
	}
	k, err := v.keys.find(kid, v.cfg.Now())
	if errors.Is(err, UnknownKey) {
		return nil, refused(err)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return k, nil
}

func (v *Verifier) await(ctx context.Context, fetched <-chan struct{}) error {
	if !v.keys.enter() {
		return errCrowded
	}
	defer v.keys.leave()
	timer := time.NewTimer(v.cfg.Wait)
	defer timer.Stop()
	select {
	case <-fetched:
		return nil
	case <-timer.C:
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}
