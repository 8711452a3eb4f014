package guard

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/internal/permission"
)

// freshFor is how long after a proof what is sensitive may be done without another.
const freshFor = 10 * time.Minute

// Access is who may call an operation. The zero value is nobody.
type Access struct {
	kind       accessKind
	permission permission.Permission
	class      Class
	fresh      bool
	inPerson   bool
}

type accessKind int

const (
	accessNobody accessKind = iota
	accessOpen
	accessSelf
	accessPermitted
)

const accessKey = "access"

// Open is for everybody, signed in or not, as often as the class may be called.
func Open(class Class) Access { return Access{kind: accessOpen, class: class} }

// Self is for whoever is signed in, about themselves.
func Self() Access { return Access{kind: accessSelf} }

// May is for those who have a permission: staff about everything, members about their account.
func May(p permission.Permission) Access { return Access{kind: accessPermitted, permission: p} }

// InPerson refuses tokens and whoever looks at an account as somebody else.
func (a Access) InPerson() Access { a.inPerson = true; return a }

// Fresh asks for a proof of who one is that is a few minutes old at most, and so for a person. Who has a second factor has
// to have shown it in this session: a session from before it was set up knows a password alone.
func (a Access) Fresh() Access { a.fresh, a.inPerson = true, true; return a }

// AccessOf is the access that an operation is marked with; the zero Access for none.
func AccessOf(op *huma.Operation) Access {
	access, _ := op.Metadata[accessKey].(Access)
	return access
}

// Class is how often strangers may call an open operation.
func (a Access) Class() Class { return a.class }

// IsOpen tells whether strangers may call.
func (a Access) IsOpen() bool { return a.kind == accessOpen }

// Permission is what the caller needs; empty where it needs none.
func (a Access) Permission() permission.Permission { return a.permission }

// Metadata marks an operation with who may call it.
func (a Access) Metadata() map[string]any { return map[string]any{accessKey: a} }

// String says it to a reader of the API's description.
func (a Access) String() string {
	text := ""
	switch a.kind {
	case accessNobody:
		return "Nobody may call this."
	case accessOpen:
		return ""
	case accessSelf:
		text = "For whoever is signed in."
	case accessPermitted:
		text = "Needs the permission `" + string(a.permission) + "`."
	}
	switch {
	case a.fresh:
		text += " Not for tokens, and only within ten minutes of a proof of who one is."
	case a.inPerson:
		text += " Not for tokens."
	}
	return text
}

// refusal is why a call is refused.
type refusal struct {
	status       int
	code, detail string
}

// decide is the one decision about who may do what. Whatever it does not allow is refused.
func (a Access) decide(who *Principal, now time.Time) *refusal {
	switch {
	case a.kind == accessNobody:
		return &refusal{http.StatusForbidden, "not_allowed", "this is not yours to do"}
	case a.kind == accessOpen:
		if _, _, ok := a.class.limits(); !ok {
			return &refusal{http.StatusForbidden, "not_allowed", "this is not yours to do"}
		}
		return nil
	case who == nil:
		return &refusal{http.StatusUnauthorized, "not_signed_in", "sign in, or send a bearer token"}
	case a.inPerson && who.Impersonator != nil:
		return &refusal{http.StatusForbidden, "not_while_impersonating", "only the person can do this, not somebody who looks at the account as that person"}
	case a.inPerson && !who.InPerson():
		return &refusal{http.StatusForbidden, "not_for_tokens", "a person has to do this: a token cannot"}
	case a.kind == accessPermitted && who.Restricted != "":
		return &refusal{http.StatusForbidden, who.Restricted, restriction(who.Restricted)}
	case a.kind == accessPermitted && !who.Permissions.Has(a.permission):
		return &refusal{http.StatusForbidden, "not_allowed", "this is not yours to do"}
	case a.fresh && !who.IsFresh(now):
		return &refusal{http.StatusForbidden, "proof_required", "prove again who you are, then repeat this"}
	}
	return nil
}

// Authorise is huma's middleware: it holds each operation's access, refuses an operation that names none, and counts the
// calls of those that are open.
func (g *Guard) Authorise(ctx huma.Context, next func(huma.Context)) {
	access := AccessOf(ctx.Operation())
	refused := access.decide(PrincipalOf(ctx.Context()), g.now())
	switch {
	case refused != nil:
		if refused.status == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="ezscale"`)
		}
		refuse(ctx, problem.New(ctx.Context(), refused.status, refused.code, refused.detail))
	case access.IsOpen():
		g.limited(ctx, access.class, next)
	default:
		next(ctx)
	}
}
