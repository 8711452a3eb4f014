package guard

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ezscale/platform/internal/fault"
)

// assertionHeader carries what the gate before the admin site says of a request (Cloudflare Access).
const assertionHeader = "Cf-Access-Jwt-Assertion"

// Assertions judges what a gate before the admin site says of a request. An error is why nobody is let in: a fault, whose
// text the sender may read. A program has passed the gate in its own name, not in a person's.
type Assertions interface {
	Verify(ctx context.Context, assertion string) (program bool, err error)
}

// assert lets nothing reach the admin site that has not come through the gate, if there is one: neither pages nor the
// API, whoever is signed in. Probes may: they tell nothing but that we live. A program that has passed has to bring a
// token of ours too: it gets no page, no login and no session.
func (g *Guard) assert(c *gin.Context) {
	ctx, path := c.Request.Context(), c.Request.URL.Path
	if g.gate == nil || SiteOf(ctx) != SiteAdmin || strings.HasPrefix(path, "/health/") {
		return
	}
	assertion := ""
	if values := c.Request.Header.Values(assertionHeader); len(values) == 1 {
		assertion = values[0]
	}
	program, err := g.gate.Verify(ctx, assertion)
	if err == nil && program && (!strings.HasPrefix(path, "/api/") || c.GetHeader("Authorization") == "") {
		err = fault.New(fault.Forbidden, "access_refused", "a program may only call the API here, with a token")
	}
	if err == nil {
		return
	}
	c.Abort()
	problem := g.Problem(ctx, "", err)
	if IsAPI(path) {
		problem.Write(c.Writer)
		return
	}
	c.Header("Content-Type", "text/plain; charset=utf-8")
	c.Header("Cache-Control", "no-store")
	c.Status(problem.Status)
	_, _ = c.Writer.WriteString(http.StatusText(problem.Status) + ": " + problem.Detail + "\n")
}

// operatorMayCome tells whether the operator's token counts for the request of ctx. Where there is a gate, the token
// works behind it, or on this machine: by another host name from elsewhere it would be a way around.
func (g *Guard) operatorMayCome(ctx context.Context) bool {
	switch SiteOf(ctx) {
	case SiteAdmin:
		return true
	case NoSite:
		return g.gate == nil || IsLocal(ctx)
	case SiteAccount:
	}
	return false
}
