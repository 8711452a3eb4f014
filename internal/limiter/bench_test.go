package limiter_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/limiter"
)

// A login's attempt: an account, a network and the global bucket, which all of them share.
func BenchmarkTake(b *testing.B) {
	wide := func(name, of string) limiter.Key {
		return limiter.Key{Limit: limiter.Limit{Name: name, Burst: 1_000_000, Per: time.Hour}, Of: of}
	}
	attempts := map[string]func(i int) []limiter.Key{
		"known": func(i int) []limiter.Key {
			return []limiter.Key{wide("account", strconv.Itoa(i%1000)), wide("network", strconv.Itoa(i%100)), wide("global", "")}
		},
		"new": func(i int) []limiter.Key {
			return []limiter.Key{wide("account", strconv.Itoa(i)), wide("network", strconv.Itoa(i)), wide("global", "")}
		},
		"refused": func(i int) []limiter.Key {
			return []limiter.Key{wide("account", strconv.Itoa(i)), network("n"), wide("global", "")}
		},
	}
	for name, keys := range attempts {
		b.Run(name, func(b *testing.B) {
			f := setup(b)
			f.tokens(network("n"))
			for i := 0; b.Loop(); i++ {
				f.take(keys(i)...)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			f := setup(b)
			f.tokens(network("n"))
			var i atomic.Int64
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					f.take(keys(int(i.Add(1)))...)
				}
			})
		})
	}
}
