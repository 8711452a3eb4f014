package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/report"
	"github.com/ezscale/platform/internal/observe"
	"github.com/ezscale/platform/internal/permission"
)

const prefix = "/api/v1"

// operation says how one handler is reached, by whom, and where its faults lie ("body." for a write, else "query.").
type operation struct {
	method  string
	path    string // below prefix
	id      string
	tag     string
	summary string
	access  guard.Access
	status  int // of success; 0: 200, or 204 without a body
}

type body[T any] struct{ Body T }

// serve registers a handler that answers with a JSON body.
func serve[I, O any](e *edge, api huma.API, op operation, fn func(context.Context, *I) (O, error)) {
	serveRaw(e, api, op, func(ctx context.Context, in *I) (*body[O], error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		return &body[O]{Body: out}, nil
	})
}

// serveRaw registers a handler whose output sets headers too. Whatever error it returns becomes a problem.
func serveRaw[I, O any](e *edge, api huma.API, op operation, fn func(context.Context, *I) (*O, error)) {
	where := "query."
	if op.method != http.MethodGet {
		where = "body."
	}
	huma.Register(api, op.huma(api), func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
		defer cancel()
		out, err := fn(ctx, in)
		if err != nil {
			return nil, e.guard.Problem(ctx, where, err)
		}
		return out, nil
	})
}

func (op operation) huma(api huma.API) huma.Operation {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[guard.Problem](), true, "Problem")
	o := huma.Operation{
		Method: op.method, Path: prefix + op.path, OperationID: op.id, Summary: op.summary, Tags: []string{op.tag},
		DefaultStatus: op.status, MaxBodyBytes: guard.MaxBodyBytes, RejectUnknownQueryParameters: true,
		Metadata: op.access.Metadata(),
		Responses: map[string]*huma.Response{"default": {Description: "A problem",
			Content: map[string]*huma.MediaType{guard.ProblemType: {Schema: schema}}}},
	}
	if !op.access.IsOpen() {
		o.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	o.Description = op.access.String()
	return o
}

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
	e.probes(router)
	e.pages(router)
	return router, nil
}

func openAPIConfig() huma.Config {
	config := huma.DefaultConfig("ezscale", "1")
	config.Info.Description = "Bytes are integers, amounts decimal strings, times RFC 3339 in UTC, intervals half-open. " +
		"Errors are problem documents (RFC 9457) with a code and the fields at fault. Lists are cut by limit and cursor. " +
		"Every write takes an Idempotency-Key: the same key and input give the first answer again, another input is a conflict."
	config.DocsPath, config.SchemasPath, config.OpenAPIPath = "", "", "" // /openapi.json is ours, the docs page would load from outside
	config.CreateHooks = nil                                             // no $schema in answers
	config.Transformers = []huma.Transformer{guard.AsProblem}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "An API token, or the operator's"},
		"session": {Type: "apiKey", In: "cookie", Name: guard.CookieName, Description: "A session"},
	}
	return config
}

// operations registers every operation; api/openapi.json is what it says in development.
func (e *edge) operations(api huma.API) (err error) {
	api.UseMiddleware(e.guard.Authorise)
	e.sessionOperations(api)
	e.serviceOperations(api)
	e.billingOperations(api)
	e.networkOperations(api)
	report.Register(api, report.Desk{Postgres: e.Postgres, Now: e.Clock.Now, Log: e.Log, Problem: e.guard.Problem,
		Operation: func(path, id, tag, summary string) huma.Operation {
			return operation{method: http.MethodGet, path: path, id: id, tag: tag, summary: summary, access: guard.May(permission.ReportsRead)}.huma(api)
		}})
	e.catalogOperations(api)
	e.auditOperations(api)
	e.writeOperations(api)
	if e.config.Development {
		e.developmentOperations(api)
	}
	schemas := api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own shape, which guard.AsProblem replaces
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
		router.GET("/metrics", gin.WrapH(e.Metrics))
	}
}

// readiness is every part and its state.
type readiness struct {
	Ready bool           `json:"ready"`
	Parts []observe.Part `json:"parts"`
}

func (e *edge) ready(c *gin.Context) {
	answer := readiness{Parts: []observe.Part{}}
	if e.Health != nil {
		answer.Parts = e.Health(c.Request.Context())
	}
	answer.Ready = observe.Ready(answer.Parts)
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	c.JSON(status, answer)
}

// pages answers everything else: an unknown operation is a problem, any other path is the pages' to route.
func (e *edge) pages(router *gin.Engine) {
	router.NoMethod(func(c *gin.Context) {
		guard.NewProblem(c.Request.Context(), http.StatusMethodNotAllowed, "method_not_allowed", "this address does not take "+c.Request.Method).Write(c.Writer)
	})
	router.NoRoute(func(c *gin.Context) {
		reads := slices.Contains([]string{http.MethodGet, http.MethodHead}, c.Request.Method)
		if e.Web == nil || guard.IsAPI(c.Request.URL.Path) || !reads {
			guard.NewProblem(c.Request.Context(), http.StatusNotFound, "no_such_address", "there is nothing at this address").Write(c.Writer)
			return
		}
		c.Status(http.StatusOK) // gin has put 404 here
		e.Web.ServeHTTP(c.Writer, c.Request)
	})
}
