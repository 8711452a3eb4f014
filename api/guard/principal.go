package guard

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

// Access is who may call an operation. The zero value is nobody.
type Access int

// Who may call an operation.
const (
	Nobody   Access = iota
	Anyone          // without signing in
	SignedIn        // customers, for what is theirs, and staff
	Staff
)

const accessKey = "access"

// Metadata marks an operation with who may call it.
func (a Access) Metadata() map[string]any { return map[string]any{accessKey: a} }

// Roles of a principal.
const (
	RoleCustomer = "customer"
	RoleStaff    = "staff"
)

// SessionCookie is the cookie of the development login.
const SessionCookie = "ezscale_session"

// Principal is who a request comes from.
type Principal struct {
	Role     string
	Customer uuid.UUID // of a customer
	Name     string
	Actor    string        // as the audit log has it
	Session  string        // its hash; empty for a token
	Ended    chan struct{} // closed when the session ends; nil for a token
}

// Scope is what the principal may see.
func (p *Principal) Scope() query.Scope {
	if p.Role == RoleStaff {
		return query.Staff()
	}
	return query.Customer(p.Customer)
}

type contextKey int

const (
	principalKey contextKey = iota
	requestKey
)

// PrincipalOf is who asks, nil for nobody.
func PrincipalOf(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey).(*Principal)
	return p
}

// ScopeOf is the zero scope, which sees nothing, when nobody is signed in.
func ScopeOf(ctx context.Context) query.Scope {
	if p := PrincipalOf(ctx); p != nil {
		return p.Scope()
	}
	return query.Scope{}
}

// authenticate finds out who asks. A wrong token is refused at once, whatever the operation; a stale cookie
// counts as nobody.
func (g *Guard) authenticate(c *gin.Context) {
	if header := c.GetHeader("Authorization"); header != "" {
		if !g.isToken(header) {
			c.Header("WWW-Authenticate", `Bearer realm="ezscale"`)
			NewProblem(c.Request.Context(), http.StatusUnauthorized, "bad_token", "the bearer token is not valid").Write(c.Writer)
			c.Abort()
			return
		}
		g.setPrincipal(c, &Principal{Role: RoleStaff, Name: "operator", Actor: "staff:token"})
		return
	}
	if !g.development {
		return
	}
	if cookie, err := c.Cookie(SessionCookie); err == nil {
		if p := g.Sessions.find(cookie); p != nil {
			g.setPrincipal(c, p)
		}
	}
}

func (g *Guard) setPrincipal(c *gin.Context, p *Principal) {
	ctx := context.WithValue(c.Request.Context(), principalKey, p)
	c.Request = c.Request.WithContext(query.WithScope(ctx, p.Scope())) // the second wall, whatever a handler asks for
}

// isToken compares hashes in constant time, so that neither length nor content of the token leaks.
func (g *Guard) isToken(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(token))
	equal := subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
	return equal && g.hasToken && strings.EqualFold(scheme, "Bearer")
}

// Authorise is huma's middleware: it holds each operation's access, and refuses an operation that names none.
func (g *Guard) Authorise(ctx huma.Context, next func(huma.Context)) {
	who := PrincipalOf(ctx.Context())
	allowed, _ := ctx.Operation().Metadata[accessKey].(Access)
	var p *Problem
	switch {
	case allowed == Anyone, who != nil && allowed == SignedIn, who != nil && allowed == Staff && who.Role == RoleStaff:
		next(ctx)
		return
	case who == nil && allowed != Nobody:
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="ezscale"`)
		p = NewProblem(ctx.Context(), http.StatusUnauthorized, "not_signed_in", "sign in, or send the operator's bearer token")
	default:
		p = NewProblem(ctx.Context(), http.StatusForbidden, "not_allowed", "this is not yours to do")
	}
	ctx.SetHeader("Content-Type", ProblemType)
	ctx.SetStatus(p.Status)
	_, _ = ctx.BodyWriter().Write(p.encode())
}
