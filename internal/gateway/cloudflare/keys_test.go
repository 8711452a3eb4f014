package cloudflare_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/gateway/cloudflare"
	"github.com/ezscale/platform/internal/gateway/cloudflare/cloudflaretest"
)

// unsure expects that nothing can be said of an assertion.
func (w *world) unsure(assertion string) {
	w.t.Helper()
	id, err := w.Verify(w.t.Context(), assertion)
	if !fault.Is(err, fault.Unavailable) || errors.As(err, new(cloudflare.Reason)) || id != (cloudflare.Identity{}) {
		w.t.Fatalf("got %+v, %v, want unavailable", id, err)
	}
}

// eventually waits for what the background does. It ends with the test alone.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		if t.Context().Err() != nil {
			t.Fatal(what)
		}
		time.Sleep(time.Millisecond)
	}
}

// stranger is an assertion with a key id that somebody has made up.
func (w *world) stranger(n int) string {
	return cloudflaretest.Encode(fmt.Sprintf(`{"alg":"RS256","kid":"invented-%d"}`, n), `{}`, func(string) []byte { return []byte("x") })
}

// asks has keys fetched, as far as it is time.
func (w *world) asks() {
	w.t.Helper()
	w.refuses("a stranger", w.stranger(0), cloudflare.UnknownKey)
}

// Nobody has to ask: the first fetch follows the start, the next an hour later, or a minute when the one before has failed.
func TestFetchesByItself(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	w := start(t, team)
	fetched := func(n int, outcome string, of float64) {
		t.Helper()
		eventually(t, "a fetch", func() bool { return w.count("fetches_total", outcome) == of })
		if got := team.Requests(); got != n {
			t.Fatalf("%d fetches, want %d", got, n)
		}
	}
	fetched(1, "ok", 1)
	w.clock.pass(time.Hour - time.Second)
	w.passes(w.user())
	team.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	w.clock.pass(time.Second)
	fetched(2, "status", 1)
	team.Answer(nil)
	w.clock.pass(time.Minute)
	fetched(3, "ok", 2)
	eventually(t, "fresh keys", func() bool { return w.count("keys_age_seconds", "") == 0 })
}

func TestInventedKeysAreAskedForOnceAMinute(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	w.passes(w.user())
	for n := range 50 {
		w.refuses("at once", w.stranger(n), cloudflare.UnknownKey)
	}
	if n := w.team.Requests(); n != 1 {
		t.Errorf("%d fetches in the first minute", n)
	}
	w.clock.pass(59 * time.Second)
	w.refuses("after 59 s", w.stranger(0), cloudflare.UnknownKey)
	if n := w.team.Requests(); n != 1 {
		t.Errorf("%d fetches after 59 s", n)
	}
	for minute := 1; minute <= 3; minute++ {
		w.clock.pass(time.Minute)
		var all sync.WaitGroup
		for n := range 50 {
			all.Go(func() {
				if _, err := w.Verify(t.Context(), w.stranger(n)); !errors.Is(err, cloudflare.UnknownKey) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := w.team.Requests(); n != 1+minute {
			t.Errorf("%d fetches in minute %d", n, minute)
		}
	}
	w.passes(w.user())
}

func TestRotation(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	first := w.team.Current()
	old := func() string { return w.team.SignWith(first, w.team.User(ours, email, w.clock.Now())) }
	w.passes(old())
	w.team.Rotate()
	w.refuses("a new key within the minute", w.user(), cloudflare.UnknownKey)
	w.clock.pass(time.Minute)
	w.passes(w.user()) // after one fetch
	w.passes(old())    // which is still shown
	if n := w.team.Requests(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	w.team.Rotate() // the first key is no longer shown
	w.clock.pass(time.Minute)
	w.passes(w.user())
	w.passes(old())
	// It was last seen a minute ago; seven days after that it ends, to the second. A fetch each half a day keeps the set fresh.
	for range 13 {
		w.clock.pass(12 * time.Hour)
		w.asks()
	}
	w.clock.pass(12*time.Hour - time.Minute)
	w.passes(old())
	w.asks()
	w.passes(old())
	w.clock.pass(time.Second)
	w.refuses("seven days gone", old(), cloudflare.UnknownKey)
	w.passes(w.user())
}

// A key that comes back under its id with other numbers replaces the old one.
func TestKeyIDsAreTheTeams(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	was := w.team.Current()
	w.passes(w.user())
	now := cloudflaretest.Key{ID: was.ID, Private: cloudflaretest.NewKey(t, 2048).Private}
	w.team.Show(now)
	w.clock.pass(time.Minute)
	w.refuses("an unknown key, for the fetch", w.stranger(1), cloudflare.UnknownKey)
	w.passes(w.user())
	w.refuses("the old key", w.team.SignWith(was, w.team.User(ours, email, noon)), cloudflare.BadSignature)
}

func TestFailingStartHeals(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	team.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	w := start(t, team)
	w.unsure(w.user())
	w.unsure(w.user())
	if n := team.Requests(); n != 1 || !math.IsInf(w.count("keys_age_seconds", ""), 1) {
		t.Errorf("%d fetches, age %v", n, w.count("keys_age_seconds", ""))
	}
	team.Answer(nil)
	w.unsure(w.user()) // not before it is time
	w.clock.pass(5 * time.Second)
	w.passes(w.user())
	if w.count("fetches_total", "status") != 1 || w.count("fetches_total", "ok") != 1 || w.count("verifications_total", "unavailable") != 3 {
		t.Errorf("counted %v, %v, %v", w.count("fetches_total", "status"), w.count("fetches_total", "ok"), w.count("verifications_total", "unavailable"))
	}
	if !strings.Contains(w.logs.String(), "502") {
		t.Errorf("logged %s", w.logs)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	w := build(t, team, nil)
	if err := w.Stop(t.Context()); err != nil {
		t.Error("a stop without a start:", err)
	}
	w.unsure(w.user())
	if team.Requests() != 0 {
		t.Error("it fetched without a start")
	}
	for round := range 3 {
		ctx, started := context.WithCancel(t.Context())
		for range 2 {
			if err := w.Start(ctx); err != nil {
				t.Fatal(err)
			}
		}
		started() // it outlives its start
		w.passes(w.user())
		w.asks() // and so waits for the fetch, should it be under way
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.passes(w.user()) // with the keys it has
		before := team.Requests()
		w.clock.pass(time.Hour)
		w.refuses("unknown, and stopped", w.stranger(round), cloudflare.UnknownKey)
		if team.Requests() != before {
			t.Error("it fetched after its stop")
		}
	}
}

func TestKeysOutliveAnOutageForADay(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	w := start(t, team)
	w.passes(w.user())
	team.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for hour := 1; hour <= 24; hour++ {
		w.clock.pass(time.Hour)
		w.passes(w.user())
		w.asks()
		if n := w.count("fetches_total", "status"); n != float64(hour) {
			t.Fatalf("%v fetches have failed after %d hours", n, hour)
		}
	}
	if age := w.count("keys_age_seconds", ""); age != 86400 {
		t.Errorf("age %v", age)
	}
	w.clock.pass(time.Second)
	w.unsure(w.user())
	team.Answer(nil)
	w.clock.pass(time.Minute)
	w.passes(w.user())
	if age := w.count("keys_age_seconds", ""); age != 0 {
		t.Errorf("age %v", age)
	}
}

// A clock that is put back must not end fetching.
func TestClockPutBack(t *testing.T) {
	t.Parallel()
	w := start(t, cloudflaretest.New(t, "acme"))
	w.passes(w.user())
	w.team.Rotate()
	w.clock.pass(-24 * time.Hour)
	w.passes(w.user())
}

func TestSlowFetch(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	w := start(t, team)
	known := w.user()
	w.passes(known)
	team.Rotate()
	release := team.Hold()
	w.clock.pass(time.Minute)

	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := w.Verify(impatient, w.user())
		left <- err
	}()
	eventually(t, "the fetch", func() bool { return team.Requests() == 2 })
	w.passes(known) // who has a known key does not wait
	leave()
	if err := <-left; !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if id, err := w.Verify(t.Context(), w.user()); err != nil || id.Email != email {
				t.Errorf("who waited got %+v, %v", id, err)
			}
		})
	}
	release()
	all.Wait()
	if n := team.Requests(); n != 2 {
		t.Errorf("%d fetches", n)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	team := cloudflaretest.New(t, "acme")
	team.Hold()
	w := build(t, team, func(c *cloudflare.Config) { c.Wait = time.Millisecond })
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.unsure(w.user())
	}
	eventually(t, "the fetch", func() bool { return team.Requests() == 1 })

	slow := build(t, team, func(c *cloudflare.Config) { c.Timeout = time.Millisecond })
	if err := slow.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	slow.unsure(slow.user()) // it waits for a minute, but the fetch ends
	if slow.count("fetches_total", "unreachable") != 1 {
		t.Error("a fetch that timed out is not counted")
	}
}

// Of more than 256 who wait, the others are told at once; and a stop ends the wait of all.
func TestManyWaitAndAStopEndsIt(t *testing.T) {
	t.Parallel()
	const most, more = 256, 20
	team := cloudflaretest.New(t, "acme")
	team.Hold()
	w := start(t, team)
	answers := make(chan error, most+more)
	for n := range most + more {
		go func() {
			_, err := w.Verify(context.Background(), w.stranger(n))
			answers <- err
		}()
	}
	unavailable := func(err error) {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
	}
	for range more {
		unavailable(<-answers)
	}
	select {
	case err := <-answers:
		t.Errorf("one who should wait got %v", err)
	default:
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range most {
		unavailable(<-answers)
	}
	if n := team.Requests(); n > 1 {
		t.Errorf("%d fetches", n)
	}
}
