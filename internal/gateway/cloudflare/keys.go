package cloudflare

import (
	"crypto/rsa"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	refreshEvery = time.Hour
	askEvery     = time.Minute        // at most, whoever asks
	firstEvery   = 5 * time.Second    // until the first keys have come: nothing can be verified before
	staleAfter   = 24 * time.Hour     // since the last good fetch
	keepGone     = 7 * 24 * time.Hour // since a key was last seen; developers.cloudflare.com, "Validate JWTs"

	maxKeys    = 16  // that a team shows, or that are kept; Cloudflare shows two
	maxWaiting = 256 // Verify calls that wait for one fetch
)

var (
	errNoKeys  = errors.New("no cloudflare access keys have been fetched")
	errStale   = errors.New("the cloudflare access keys are too old")
	errSlow    = errors.New("the fetch of cloudflare access keys takes too long")
	errCrowded = errors.New("too many wait for cloudflare access keys")
)

type key = *rsa.PublicKey

type shown struct {
	key  key
	seen time.Time // when it was last shown
}

// keys are a team's keys, and when to ask for them. At most one fetch is asked for or under way.
type keys struct {
	asked chan struct{} // a fetch was claimed by ask

	mu       sync.Mutex
	known    map[string]shown
	fetched  time.Time     // when the last good fetch began; zero: never
	tried    time.Time     // when the last fetch began, or was asked for
	fetching chan struct{} // closed when the claimed fetch has ended; nil: none
	running  bool
	waiting  int
}

func newKeys() *keys { return &keys{asked: make(chan struct{}, 1), known: map[string]shown{}} }

// find looks a key up. Errors: UnknownKey; errNoKeys and errStale when nothing can be said.
func (k *keys) find(kid string, now time.Time) (key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched.IsZero() {
		return nil, errNoKeys
	}
	if now.Sub(k.fetched) > staleAfter {
		return nil, errStale
	}
	if s, ok := k.known[kid]; ok && now.Sub(s.seen) <= keepGone {
		return s.key, nil
	}
	return nil, UnknownKey
}

// ask gives what closes when the next fetch has ended, and claims one unless it is too soon; nil: there will be none.
func (k *keys) ask(now time.Time) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.claim(now, k.pace()) {
		k.asked <- struct{}{} // has room: whatever was asked for before has ended
	}
	return k.fetching
}

// due claims a fetch when its time has come. The caller makes it.
func (k *keys) due(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	every := k.pace()
	if !k.fetched.IsZero() && k.tried.Equal(k.fetched) {
		every = refreshEvery
	}
	return k.claim(now, every)
}

func (k *keys) pace() time.Duration {
	if k.fetched.IsZero() {
		return firstEvery
	}
	return askEvery
}

func (k *keys) claim(now time.Time, every time.Duration) bool {
	since := now.Sub(k.tried)
	tooSoon := !k.tried.IsZero() && since >= 0 && since < every // a clock that was put back does not end fetching
	if !k.running || k.fetching != nil || tooSoon {
		return false
	}
	k.tried = now
	k.fetching = make(chan struct{})
	return true
}

// take notes what the claimed fetch has brought and names the keys that are new.
func (k *keys) take(set map[string]key) (added []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fetched = k.tried
	for kid, published := range set {
		if was, ok := k.known[kid]; !ok || !was.key.Equal(published) {
			added = append(added, kid)
		}
		k.known[kid] = shown{key: published, seen: k.fetched}
	}
	maps.DeleteFunc(k.known, func(_ string, s shown) bool { return k.fetched.Sub(s.seen) > keepGone })
	for len(k.known) > maxKeys {
		delete(k.known, k.longestGone())
	}
	slices.Sort(added)
	return added
}

func (k *keys) longestGone() string {
	kids := slices.Collect(maps.Keys(k.known))
	return slices.MinFunc(kids, func(a, b string) int { return k.known[a].seen.Compare(k.known[b].seen) })
}

// finish ends the claimed fetch for all who wait.
func (k *keys) finish() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.end()
}

func (k *keys) end() {
	if k.fetching != nil {
		close(k.fetching)
		k.fetching = nil
	}
}

func (k *keys) open() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = true
}

// close ends what was asked for and will not be done.
func (k *keys) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running = false
	select {
	case <-k.asked:
	default:
	}
	k.end()
}

func (k *keys) enter() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting >= maxWaiting {
		return false
	}
	k.waiting++
	return true
}

func (k *keys) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting--
}

// age is in seconds since the last good fetch; infinite before the first.
func (k *keys) age(now time.Time) float64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetched.IsZero() {
		return math.Inf(1)
	}
	return now.Sub(k.fetched).Seconds()
}
