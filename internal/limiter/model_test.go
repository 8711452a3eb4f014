package limiter_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ezscale/platform/internal/limiter"
)

// model is what the limiter promises, said otherwise: it has levels that rise, where the limiter has debts that sink.
type model struct {
	levels map[limiter.Key]level
}

// level is how much a bucket held at a time, in microseconds of filling.
type level struct {
	held int64
	at   time.Time
}

func tokenTime(l limiter.Limit) int64 { return l.Per.Microseconds() / int64(l.Burst) }

func (m model) level(k limiter.Key, now time.Time) level {
	full := tokenTime(k.Limit) * int64(k.Limit.Burst)
	was, ok := m.levels[k]
	switch {
	case !ok:
		return level{full, now}
	case was.at.After(now.Add(time.Minute)): // the clock has leapt
		return level{was.held, now}
	case was.at.After(now):
		return was
	}
	return level{min(full, was.held+now.Sub(was.at).Microseconds()), now}
}

func (m model) take(now time.Time, keys []limiter.Key) limiter.Verdict {
	next := maps.Clone(m.levels)
	verdict := limiter.Verdict{Allowed: true}
	for _, k := range keys {
		l := m.level(k, now)
		missing := tokenTime(k.Limit) - l.held
		if missing > 0 {
			wait := time.Duration(missing)*time.Microsecond + l.at.Sub(now)
			if verdict.Allowed || wait > verdict.RetryAfter {
				verdict = limiter.Verdict{RetryAfter: wait, Limit: k.Limit.Name}
			}
		}
		next[k] = level{l.held - tokenTime(k.Limit), l.at}
	}
	if verdict.Allowed {
		maps.Copy(m.levels, next)
		return verdict
	}
	for _, k := range keys { // what is read of a leapt bucket is also kept, so that it refills from now
		if l, ok := m.levels[k]; ok && l.at.After(now.Add(time.Minute)) && m.onlyLeaptRefuse(now, keys) {
			m.levels[k] = m.level(k, now)
		}
	}
	return verdict
}

// onlyLeaptRefuse tells that no bucket refuses but those that have leapt.
func (m model) onlyLeaptRefuse(now time.Time, keys []limiter.Key) bool {
	return !slices.ContainsFunc(keys, func(k limiter.Key) bool {
		return m.level(k, now).held < tokenTime(k.Limit) && !m.levels[k].at.After(now.Add(time.Minute))
	})
}

func (m model) give(now time.Time, keys []limiter.Key) {
	for _, k := range keys {
		if _, ok := m.levels[k]; ok {
			l := m.level(k, now)
			full := tokenTime(k.Limit) * int64(k.Limit.Burst)
			m.levels[k] = level{min(full, l.held+tokenTime(k.Limit)), l.at}
		}
	}
}

func limits() []limiter.Limit {
	return []limiter.Limit{
		{Name: "account", Burst: 3, Per: 10 * time.Minute},
		{Name: "network", Burst: 7, Per: 100 * time.Second},
		{Name: "global", Burst: 11, Per: time.Second},
	}
}

// Under any sequence of attempts and moves of the clock the limiter does what the model does, to the microsecond.
func TestLikeTheModel(t *testing.T) {
	t.Parallel()
	f := setup(t)
	rapid.Check(t, func(t *rapid.T) {
		if _, err := f.pool.Exec(f.Context(), "delete from limiter_bucket"); err != nil {
			t.Fatal(err)
		}
		m := model{map[limiter.Key]level{}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			keys := drawKeys(t)
			switch rapid.SampledFrom([]string{"take", "take", "take", "take", "give", "reset", "sweep", "on", "on", "back"}).Draw(t, "step") {
			case "take":
				got, err := f.limiter.Take(f.Context(), keys...)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(m.take(f.clock(), keys), got); diff != "" {
					t.Fatalf("take of %v (-want +got):\n%s", keys, diff)
				}
			case "give":
				m.give(f.clock(), keys)
				if err := f.limiter.Give(f.Context(), keys...); err != nil {
					t.Fatal(err)
				}
			case "reset":
				for _, k := range keys {
					delete(m.levels, k)
				}
				if err := f.limiter.Reset(f.Context(), keys...); err != nil {
					t.Fatal(err)
				}
			case "sweep": // changes nothing that an attempt could see, while time goes on
				m.sweep(f.clock())
				if _, err := f.limiter.Sweep(f.Context()); err != nil {
					t.Fatal(err)
				}
			case "on":
				f.move(time.Duration(rapid.Int64Range(0, 700e6).Draw(t, "on")) * time.Microsecond)
			case "back":
				f.move(-time.Duration(rapid.Int64Range(0, 90e6).Draw(t, "back")) * time.Microsecond)
			}
		}
	})
}

// sweep matters to one whose clock goes back: a full bucket is then forgotten, not refilled from a time to come.
func (m model) sweep(now time.Time) {
	maps.DeleteFunc(m.levels, func(k limiter.Key, l level) bool {
		full := tokenTime(k.Limit) * int64(k.Limit.Burst)
		return !l.at.Add(time.Duration(full-l.held) * time.Microsecond).After(now)
	})
}

func drawKeys(t *rapid.T) []limiter.Key {
	var keys []limiter.Key
	for _, l := range rapid.SliceOfNDistinct(rapid.SampledFrom(limits()), 1, 3, func(l limiter.Limit) string { return l.Name }).Draw(t, "limits") {
		keys = append(keys, limiter.Key{Limit: l, Of: rapid.SampledFrom([]string{"", "a"}).Draw(t, "of")})
	}
	return keys
}
