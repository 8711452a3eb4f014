package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// access is who may call an operation. The zero value is nobody.
type access int

const (
	nobody   access = iota
	anyone          // without signing in
	signedIn        // customers, for what is theirs, and staff
	staff
)

const accessKey = "access"

// Roles of a principal.
const (
	roleCustomer = "customer"
	roleStaff    = "staff"
)

const sessionCookie = "ezscale_session"

// principal is who a request comes from.
type principal struct {
	role     string
	customer uuid.UUID // of a customer
	name     string
	actor    string        // as the audit log has it
	session  string        // its hash; empty for a token
	ended    chan struct{} // closed when the session ends; nil for a token
}

// scope is what the principal may see.
func (p *principal) scope() query.Scope {
	if p.role == roleStaff {
		return query.Staff()
	}
	return query.Customer(p.customer)
}

type contextKey int

const (
	principalKey contextKey = iota
	requestKey
	nonceKey
)

func principalOf(ctx context.Context) *principal {
	p, _ := ctx.Value(principalKey).(*principal)
	return p
}

// scopeOf is the zero scope, which sees nothing, when nobody is signed in.
func scopeOf(ctx context.Context) query.Scope {
	if p := principalOf(ctx); p != nil {
		return p.scope()
	}
	return query.Scope{}
}

// authenticate finds out who asks. A wrong token is refused at once, whatever the operation; a stale cookie
// counts as nobody.
func (e *edge) authenticate(c *gin.Context) {
	if header := c.GetHeader("Authorization"); header != "" {
		if !e.isToken(header) {
			c.Header("WWW-Authenticate", `Bearer realm="ezscale"`)
			writeProblem(c.Writer, newProblem(c.Request.Context(), http.StatusUnauthorized, "bad_token", "the bearer token is not valid"))
			c.Abort()
			return
		}
		e.setPrincipal(c, &principal{role: roleStaff, name: "operator", actor: "staff:token"})
		return
	}
	if !e.config.Development {
		return
	}
	if cookie, err := c.Cookie(sessionCookie); err == nil {
		if p := e.sessions.find(cookie); p != nil {
			e.setPrincipal(c, p)
		}
	}
}

func (e *edge) setPrincipal(c *gin.Context, p *principal) {
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), principalKey, p))
}

// isToken compares hashes in constant time, so that neither length nor content of the token leaks.
func (e *edge) isToken(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(token))
	equal := subtle.ConstantTimeCompare(sum[:], e.token[:]) == 1
	return equal && e.config.Token != "" && strings.EqualFold(scheme, "Bearer")
}

// authorise is huma's middleware: it holds each operation's access, and refuses an operation that names none.
func (e *edge) authorise(ctx huma.Context, next func(huma.Context)) {
	who := principalOf(ctx.Context())
	allowed, _ := ctx.Operation().Metadata[accessKey].(access)
	var p *Problem
	switch {
	case allowed == anyone, who != nil && allowed == signedIn, who != nil && allowed == staff && who.role == roleStaff:
		next(ctx)
		return
	case who == nil && allowed != nobody:
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="ezscale"`)
		p = newProblem(ctx.Context(), http.StatusUnauthorized, "not_signed_in", "sign in, or send the operator's bearer token")
	default:
		p = newProblem(ctx.Context(), http.StatusForbidden, "not_allowed", "this is not yours to do")
	}
	ctx.SetHeader("Content-Type", problemType)
	ctx.SetStatus(p.Status)
	_, _ = ctx.BodyWriter().Write(p.encode())
}
