package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/limiter"
)

// Class says what an open operation does for strangers, and so how often they may have it done: each class has a bucket
// for every network and one for all. A class is shared by no two kinds of proof, so that a flood of one spares the others.
type Class string

// The classes. An operation without one is refused.
const (
	NoClass  Class = ""
	Reading  Class = "reading"  // looks something up, or ends what is the caller's own
	Password Class = "password" // a guess at a password, and the memory of its hash
	Code     Class = "code"     // a guess at a second factor
	Passkey  Class = "passkey"  // begins or ends a passkey's ceremony, in which there is nothing to guess
	Link     Class = "link"     // shows a link's token, in which there is nothing to guess
	Mailing  Class = "mailing"  // has a mail sent, or a row made
)

// limits are the buckets of a class; ok is false for what is no class. A provider's customers share a network.
func (c Class) limits() (network, all limiter.Limit, ok bool) {
	pair := func(each int, per time.Duration, together int, in time.Duration) (limiter.Limit, limiter.Limit, bool) {
		return limiter.Limit{Name: "open." + string(c) + ".network", Burst: each, Per: per}, limiter.Limit{Name: "open." + string(c), Burst: together, Per: in}, true
	}
	switch c {
	case Reading:
		return pair(600, time.Minute, 60_000, time.Minute)
	case Password, Code:
		return pair(100, 10*time.Minute, 600, time.Minute)
	case Passkey, Link:
		return pair(200, 10*time.Minute, 6000, time.Minute)
	case Mailing:
		return pair(20, time.Hour, 600, time.Hour)
	}
	return limiter.Limit{}, limiter.Limit{}, false
}

// Validate tells whether it is a class, with limits that can be held.
func (c Class) Validate() error {
	network, all, ok := c.limits()
	if !ok {
		return fmt.Errorf("%q is no class of open operations", string(c))
	}
	return errors.Join(network.Validate(), all.Validate())
}

// keys are the buckets that a call from an address takes from.
func (c Class) keys(from netip.Addr) []limiter.Key {
	network, all, _ := c.limits()
	return []limiter.Key{{Limit: network, Of: limiter.NetworkOf(from).String()}, {Limit: all}}
}

// limited lets an open operation be called as often as its class may be. What another limit behind it refuses costs
// nothing here either; a success does: these buckets bound the work, which it took.
func (g *Guard) limited(ctx huma.Context, class Class, next func(huma.Context)) {
	if g.limiter == nil { // nobody counts: nobody may
		refuse(ctx, g.Problem(ctx.Context(), "", fault.New(fault.Unavailable, "limiter_unavailable", "attempts cannot be counted now; try again later")))
		return
	}
	keys := class.keys(IP(ctx.Context()))
	verdict, err := g.limiter.Take(ctx.Context(), keys...)
	switch {
	case err != nil:
		refuse(ctx, g.Problem(ctx.Context(), "", err))
		return
	case !verdict.Allowed:
		refuse(ctx, problem.TooMany(ctx.Context(), verdict.RetryAfter))
		return
	}
	next(ctx)
	if ctx.Status() == http.StatusTooManyRequests {
		if err := g.limiter.Give(ctx.Context(), keys...); err != nil {
			g.log.WarnContext(ctx.Context(), "a token was not given back", "class", string(class), "error", err)
		}
	}
}

// refuse answers in place of the operation.
func refuse(ctx huma.Context, p *problem.Problem) {
	for name, values := range p.GetHeaders() {
		for _, value := range values {
			ctx.AppendHeader(name, value)
		}
	}
	ctx.SetHeader("Content-Type", problem.MediaType)
	ctx.SetStatus(p.Status)
	_, _ = ctx.BodyWriter().Write(p.Encode())
}
