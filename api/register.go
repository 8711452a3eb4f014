package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/login"
	"github.com/ezscale/platform/api/people"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/report"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/api/security"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/permission"
)

// routes builds the whole edge: middleware first, in the order in which a request meets it.
func (e *edge) routes() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode) // gin's mode is the process's; in release mode it prints nothing of its own
	router := gin.New()
	router.UseRawPath, router.UnescapePathValues, router.HandleMethodNotAllowed, router.RedirectTrailingSlash = true, true, true, false
	if err := router.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	router.Use(e.guard.Middleware()...)
	if err := e.operations(humagin.New(router, openAPIConfig())); err != nil {
		return nil, err
	}
	e.oauth.Routes(router)
	e.probes(router)
	e.pages(router)
	return router, nil
}

func openAPIConfig() huma.Config {
	config := huma.DefaultConfig("ezscale", "1")
	config.Info.Description = "Bytes are integers, amounts decimal strings, times RFC 3339 in UTC, intervals half-open. " +
		"Errors are problem documents (RFC 9457) with a code and the fields at fault. Lists are cut by limit and cursor. " +
		"Every write takes an Idempotency-Key: the same key and input give the first answer again, another input is a conflict. " +
		"What comes with a session's cookie may say in the header " + guard.MeantForHeader + " whom it is meant for, and is refused with 409 when the cookie is another's by now (components.parameters)."
	config.DocsPath, config.SchemasPath, config.OpenAPIPath = "", "", "" // /openapi.json is ours, the docs page would load from outside
	config.CreateHooks = nil                                             // no $schema in answers
	config.Transformers = []huma.Transformer{problem.Transform}
	config.Components.Parameters = map[string]*huma.Param{guard.MeantForHeader: guard.MeantForParameter()}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token, or the operator's"},
		"session": {Type: "apiKey", In: "cookie", Name: guard.CookieName, Description: "A session. The parameter " + guard.MeantForHeader + " of the components goes with it"},
	}
	return config
}

// operations registers every operation; api/openapi.json is what it says in development.
func (e *edge) operations(api huma.API) (err error) {
	api.UseMiddleware(e.guard.Authorise)
	table := route.Table{API: api, Guard: e.guard}
	e.sessionOperations(table)
	people.Desk{Commands: e.Commands, Postgres: e.Postgres, Door: e.Door, Proofs: e.Proofs, Now: e.Clock.Now, MachineNow: e.MachineNow}.Register(table)
	login.Desk{Commands: e.Commands, Door: e.Door, Proofs: e.Proofs, Sessions: e.sessions(), Log: e.Log, SignIns: e.signIns}.Register(table)
	e.serviceOperations(table)
	e.billingOperations(table)
	e.networkOperations(table)
	report.Register(api, report.Desk{Postgres: e.Postgres, Now: e.Clock.Now, Log: e.Log, Problem: e.guard.Problem,
		Operation: func(path, id, tag, summary string) huma.Operation {
			return route.Operation{Method: http.MethodGet, Path: path, ID: id, Tag: tag, Summary: summary, Access: guard.May(permission.ReportsRead)}.Huma(api)
		}})
	e.catalogOperations(table)
	e.auditOperations(table)
	e.writeOperations(table)
	e.oauth.Operations(table)
	e.staffOperations(table)
	security.Desk{Commands: e.Commands, Postgres: e.Postgres, Door: e.Door, Proofs: e.Proofs, Now: e.Clock.Now, MachineNow: e.MachineNow}.Register(table)
	if e.config.Development {
		e.developmentOperations(table)
	}
	schemas := api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own shape, which problem.Transform replaces
	delete(schemas, "ErrorDetail")
	e.document, err = json.MarshalIndent(api.OpenAPI(), "", "  ")
	return err
}

// probes serves what machines ask that watch us.
func (e *edge) probes(router *gin.Engine) {
	router.GET("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/openapi+json", e.document) })
	router.GET("/health/live", gin.WrapH(observe.LiveHandler()))
	router.GET("/health/ready", e.ready)
	if e.Metrics != nil {
		router.GET("/metrics", e.metrics)
	}
}

// watches tells whether somebody may look into the platform: whoever is on its machine, and whoever sees the network. The
// port is the customers' too, and figures and reasons name servers, exporters and how much there is of everything.
func watches(ctx context.Context) bool {
	p := guard.PrincipalOf(ctx)
	return guard.IsLocal(ctx) || p != nil && p.Permissions.Has(permission.NetworkRead)
}

func (e *edge) metrics(c *gin.Context) {
	if ctx := c.Request.Context(); !watches(ctx) {
		problem.New(ctx, http.StatusForbidden, "not_allowed", "metrics are for this machine, and for a token with the permission network.read").Write(c.Writer)
		return
	}
	e.Metrics.ServeHTTP(c.Writer, c.Request)
}

// readiness is every part and its state.
type readiness struct {
	Ready bool           `json:"ready"`
	Parts []observe.Part `json:"parts"`
}

func (e *edge) ready(c *gin.Context) {
	answer := readiness{Parts: []observe.Part{}}
	if e.Health != nil {
		answer.Parts = append(answer.Parts, e.Health(c.Request.Context())...)
	}
	answer.Ready = observe.Ready(answer.Parts)
	if !watches(c.Request.Context()) {
		for i, part := range answer.Parts {
			answer.Parts[i] = observe.Part{Name: part.Name, OK: part.OK}
		}
	}
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	c.JSON(status, answer)
}

// pages answers everything else: an unknown operation is a problem, any other path is the pages' to route.
func (e *edge) pages(router *gin.Engine) {
	router.NoMethod(func(c *gin.Context) {
		problem.New(c.Request.Context(), http.StatusMethodNotAllowed, "method_not_allowed", "this address does not take "+c.Request.Method).Write(c.Writer)
	})
	router.NoRoute(func(c *gin.Context) {
		reads := slices.Contains([]string{http.MethodGet, http.MethodHead}, c.Request.Method)
		if e.Web == nil || guard.IsAPI(c.Request.URL.Path) || !reads {
			problem.New(c.Request.Context(), http.StatusNotFound, "no_such_address", "there is nothing at this address").Write(c.Writer)
			return
		}
		c.Status(http.StatusOK) // gin has put 404 here
		e.Web.ServeHTTP(c.Writer, c.Request)
	})
}
