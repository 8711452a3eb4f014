// Package route is how an operation gets its address: method, path, who may call it, and a typed handler, whose faults
// become problems. Every package of handlers registers its own by it, so that all of them are bounded, described and
// refused alike.
package route

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
)

const (
	prefix         = "/api/v1"
	handlerTimeout = 30 * time.Second
)

// Operation says how one handler is reached, and by whom.
type Operation struct {
	Method  string
	Path    string // below /api/v1
	ID      string
	Tag     string
	Summary string
	Access  guard.Access
	Status  int // of success; 0: 200, or 204 without a body
}

// Table is what operations are registered in.
type Table struct {
	API   huma.API
	Guard *guard.Guard
}

// Body is an answer in JSON.
type Body[T any] struct{ Body T }

// Serve registers a handler that answers with a JSON body.
func Serve[I, O any](t Table, op Operation, fn func(context.Context, *I) (O, error)) {
	ServeRaw(t, op, func(ctx context.Context, in *I) (*Body[O], error) {
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		return &Body[O]{Body: out}, nil
	})
}

// ServeRaw registers a handler whose output sets headers too. Whatever error it returns becomes a problem, whose faults
// lie in the query of a read and in the body of a write.
func ServeRaw[I, O any](t Table, op Operation, fn func(context.Context, *I) (*O, error)) {
	where := "query."
	if op.Method != http.MethodGet {
		where = "body."
	}
	huma.Register(t.API, op.Huma(t.API), func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
		defer cancel()
		out, err := fn(ctx, in)
		if err != nil {
			return nil, t.Guard.Problem(ctx, where, err)
		}
		return out, nil
	})
}

// Huma is the operation as huma has it.
func (op Operation) Huma(api huma.API) huma.Operation {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem.Problem](), true, "Problem")
	o := huma.Operation{
		Method: op.Method, Path: prefix + op.Path, OperationID: op.ID, Summary: op.Summary, Description: op.Access.String(), Tags: []string{op.Tag},
		DefaultStatus: op.Status, MaxBodyBytes: guard.MaxBodyBytes, RejectUnknownQueryParameters: true,
		Metadata: op.Access.Metadata(),
		Responses: map[string]*huma.Response{"default": {Description: "A problem",
			Content: map[string]*huma.MediaType{problem.MediaType: {Schema: schema}}}},
	}
	if !op.Access.IsOpen() {
		o.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	return o
}
