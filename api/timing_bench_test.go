package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ezscale/platform/api"
	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/password"
)

// attempt is one of the things that a stranger does and must not tell apart, by the answer or by how long it takes.
type attempt struct {
	name, path, email, password string
	status                      int
}

// BenchmarkEqualAnswers measures how long answers take that must not be told apart, with hashes as in production. All
// kinds take turns in an order that is drawn for each round, so that what slows the machine slows all of them. For each
// kind it reports the median and the 90th percentile, and of all the largest median to the smallest (p50-ratio): the figure
// to hold is 1.10, over a thousand rounds (-benchtime 1000x) on a machine that does nothing else. That each answer takes
// one hash and one command, TestRefusalsAreAlike asks; no test asks for time.
func BenchmarkEqualAnswers(b *testing.B) {
	e := newEnv(b, func(_ *api.Config, deps *api.Dependencies) {
		hasher, err := password.NewHasher(password.Recommended(), 2)
		if err != nil {
			b.Fatal(err)
		}
		deps.Proofs.Hasher = hasher
	})
	known, bare, suspended, unverified := e.human(guard.SiteAccount), e.human(guard.SiteAccount), e.human(guard.SiteAccount), e.human(guard.SiteAccount)
	e.exec(`delete from password where person_id = $1`, bare.id)
	e.exec(`update person set status = 'suspended' where id = $1`, suspended.id)
	e.exec(`update person set email_verified_at = null where id = $1`, unverified.id)
	const nobody = "nobody@example.com"
	for name, kinds := range map[string][]attempt{
		"sign-in": {{"unknown", "/login", nobody, "wrong", 401}, {"wrong", "/login", known.email, "wrong", 401}, {"no-password", "/login", bare.email, "wrong", 401},
			{"suspended", "/login", suspended.email, suspended.password, 401}, {"unverified", "/login", unverified.email, "wrong", 401}},
		"forgot": {{"unknown", "/password/forgot", nobody, "", 202}, {"known", "/password/forgot", known.email, "", 202}, {"suspended", "/password/forgot", suspended.email, "", 202},
			{"unverified", "/password/forgot", unverified.email, "", 202}},
		"register": {{"unverified", "/register", unverified.email, passphrase, 202}, {"known", "/register", known.email, passphrase, 202}, {"suspended", "/register", suspended.email, passphrase, 202}},
	} {
		b.Run(name, func(b *testing.B) { e.compare(b, kinds) })
	}
}

// compare measures kinds in turns.
func (e *env) compare(b *testing.B, kinds []attempt) {
	took := make([][]time.Duration, len(kinds))
	for b.Loop() {
		for _, i := range rand.Perm(len(kinds)) {
			e.machine.ahead.Add(int64(time.Hour)) // whatever limits attempts has forgotten the one before
			took[i] = append(took[i], e.timed(b, kinds[i]))
		}
	}
	var medians []float64
	for i, k := range kinds {
		slices.Sort(took[i])
		p50, p90 := milliseconds(took[i][len(took[i])/2]), milliseconds(took[i][len(took[i])*9/10])
		b.ReportMetric(p50, k.name+"-p50-ms")
		b.ReportMetric(p90, k.name+"-p90-ms")
		medians = append(medians, p50)
	}
	b.ReportMetric(slices.Max(medians)/slices.Min(medians), "p50-ratio")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// timed is how long the answer to an attempt takes, which has to be the one that all kinds get.
func (e *env) timed(b *testing.B, a attempt) time.Duration {
	body := fmt.Sprintf(`{"email":%q}`, a.email)
	switch a.path {
	case "/login":
		body = fmt.Sprintf(`{"email":%q,"password":%q}`, a.email, a.password)
	case "/register":
		body = fmt.Sprintf(`{"email":%q,"name":"Ada","password":%q}`, a.email, a.password)
	}
	begun := time.Now()
	got := e.call("POST", "/api/v1"+a.path, body, on(accountHost))
	took := time.Since(begun)
	if got.status != a.status {
		b.Fatalf("%s of %s: %d %s, want %d", a.path, a.name, got.status, got.body, a.status)
	}
	return took
}
