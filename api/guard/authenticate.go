package guard

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ezscale/platform/api/problem"
	accesscmd "github.com/ezscale/platform/command/access"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/access"
)

// seenEvery is how exactly it is known when a session or token was last used.
const seenEvery = time.Minute

// Door is a pool with the role that reads what people prove themselves with.
type Door interface {
	query.Postgres
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// authenticate finds out who asks. A bearer token that is none is refused at once, whatever the operation; a stale cookie
// counts as nobody. With both, the token is what counts.
func (g *Guard) authenticate(c *gin.Context) {
	ctx := c.Request.Context()
	if provesItself(c.Request.URL.Path) {
		return
	}
	var who *Principal
	var err error
	if header := c.GetHeader("Authorization"); header != "" {
		if who, err = g.bearer(ctx, header); err == nil && who == nil {
			c.Header("WWW-Authenticate", `Bearer realm="ezscale"`)
			problem.New(ctx, http.StatusUnauthorized, "bad_token", "the bearer token is not valid here").Write(c.Writer)
			c.Abort()
			return
		}
	} else if cookie, missing := c.Request.Cookie(CookieName); missing == nil {
		who, err = g.session(ctx, cookie.Value)
	}
	if err != nil { // who cannot be asked for is let in nowhere, and told so
		if ctx.Err() == nil {
			err = &fault.Error{Kind: fault.Unavailable, Code: "cannot_ask_who", Message: "who you are cannot be found out now; try again later", Cause: err}
		}
		g.Problem(ctx, "", err).Write(c.Writer)
		c.Abort()
		return
	}
	if who != nil && who.InPerson() && !meant(c, who) {
		return
	}
	if who != nil {
		ctx = query.WithScope(ctx, who.Scope()) // the second wall, whatever a handler asks for
		c.Request = c.Request.WithContext(context.WithValue(ctx, principalKey, who))
	}
}

// session finds whose cookie it is; nil for nobody's.
func (g *Guard) session(ctx context.Context, cookie string) (*Principal, error) {
	t, err := token.Parse(token.Session, cookie)
	if err != nil {
		return nil, nil
	}
	return g.SessionOf(ctx, t)
}

// SessionOf finds whose session's token it is, on the site of the request of ctx; nil for nobody's.
func (g *Guard) SessionOf(ctx context.Context, t token.Token) (*Principal, error) {
	site, now := SiteOf(ctx), g.now()
	s, err := access.FindSession(ctx, g.door, string(site), t.Hash(), now)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if now.Sub(s.SeenAt) >= seenEvery {
		if err := accesscmd.SessionSeen(ctx, g.door, s.ID, now, IP(ctx)); err != nil {
			return nil, err
		}
	}
	who := ofSession(site, s)
	who.SessionHash = t.Hash()
	return who, nil
}

// bearer finds whose token it is; nil for nobody's.
func (g *Guard) bearer(ctx context.Context, header string) (*Principal, error) {
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, nil
	}
	site := SiteOf(ctx)
	if g.isOperator(text) && g.operatorMayCome(ctx) {
		return operator(), nil
	}
	t, err := token.Parse(token.API, text)
	if err != nil || site == NoSite {
		return g.oauth(ctx, site, text)
	}
	now := g.now()
	found, err := access.FindToken(ctx, g.door, string(site), t.Hash(), now)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if found.LastUsedAt == nil || now.Sub(*found.LastUsedAt) >= seenEvery {
		if err := accesscmd.TokenSeen(ctx, g.door, found.ID, now, IP(ctx)); err != nil {
			return nil, err
		}
	}
	return ofToken(site, found), nil
}

// isOperator compares hashes in constant time, so that neither length nor content of the token leaks.
func (g *Guard) isOperator(text string) bool {
	sum := sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1 && g.hasToken
}
