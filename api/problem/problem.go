// Package problem is what a caller is told when something fails (RFC 9457): a code that programs can match, a sentence for
// people, and the id under which the log knows more. It never holds an internal error's text.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ezscale/platform/internal/fault"
)

// MediaType is that of problems.
const MediaType = "application/problem+json"

// Problem is what went wrong (RFC 9457), with a code that a client may match and the id under which the log
// knows the request.
type Problem struct {
	Type      string  `json:"type" example:"about:blank"`
	Title     string  `json:"title" example:"Unprocessable Entity"`
	Status    int     `json:"status" example:"422"`
	Code      string  `json:"code" example:"invalid_input" doc:"Stable, lower_snake_case"`
	Detail    string  `json:"detail"`
	RequestID string  `json:"request_id"`
	Errors    []Field `json:"errors,omitempty"`
	headers   http.Header
}

// Field is what is wrong with one part of the input.
type Field struct {
	Location string `json:"location" example:"body.prefixes[0]"`
	Message  string `json:"message"`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are what the answer carries besides; huma asks for them.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType makes it a problem document; huma asks for it.
func (p *Problem) ContentType(string) string { return MediaType }

type requestKey struct{}

// Identify gives the request of ctx its id.
func Identify(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestID is the id under which the log knows the request of ctx.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// New makes a problem about the request of ctx.
func New(ctx context.Context, status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, RequestID: RequestID(ctx)}
}

// TooMany is a problem about an attempt that was one too many; after the wait, rounded up to seconds, there may be another.
func TooMany(ctx context.Context, wait time.Duration) *Problem {
	p := New(ctx, http.StatusTooManyRequests, "too_many_attempts", "that was tried too often; try again later")
	seconds := max(1, int64((wait+time.Second-1)/time.Second))
	p.headers = http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
	return p
}

// Of turns any error into what a stranger may know of it; where is what comes before the names of its fields, such as
// "body.". What is not a fault is logged and told as internal.
func Of(ctx context.Context, log *slog.Logger, where string, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		return internal(ctx, log, err)
	}
	p = New(ctx, statusOf(f.Kind), f.Code, f.Message)
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, Field{Location: where + field.Name, Message: field.Message})
	}
	if f.Kind == fault.Unavailable {
		log.WarnContext(ctx, "request refused for now", "request_id", RequestID(ctx), "code", f.Code, "error", err)
	}
	return p
}

func internal(ctx context.Context, log *slog.Logger, err error) *Problem {
	if errors.Is(err, context.Canceled) {
		return New(ctx, 499, "client_gone", "the client went away before the answer was ready")
	}
	log.ErrorContext(ctx, "request failed", "request_id", RequestID(ctx), "error", err)
	if errors.Is(err, context.DeadlineExceeded) {
		return New(ctx, http.StatusServiceUnavailable, "timeout", "the answer took too long; try again later")
	}
	return New(ctx, http.StatusInternalServerError, "internal", "something went wrong on our side; the log knows more under this request's id")
}

func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Transform is huma's transformer: it gives huma's own refusals (a body that is no JSON, a parameter out of
// range) the shape of ours. Values are not echoed: they may be secret.
func Transform(ctx huma.Context, _ string, body any) (any, error) {
	model, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	code := "invalid_request"
	switch {
	case model.Status == http.StatusUnprocessableEntity:
		code = "invalid_input"
	case model.Status >= http.StatusInternalServerError:
		code = "internal"
	}
	p := New(ctx.Context(), model.Status, code, model.Detail)
	for _, d := range model.Errors {
		if d != nil {
			p.Errors = append(p.Errors, Field{Location: d.Location, Message: d.Message})
		}
	}
	return p, nil
}

// Write answers outside of huma: before an operation is found, or after it panicked.
func (p *Problem) Write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.headers)
	w.Header().Set("Content-Type", MediaType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Encode())
}

// Encode is the document.
func (p *Problem) Encode() []byte {
	text, _ := json.Marshal(p) // strings and ints always marshal
	return append(text, '\n')
}

// NotSignedIn is a problem about somebody who is nobody.
func NotSignedIn(ctx context.Context) *Problem {
	return New(ctx, http.StatusUnauthorized, "not_signed_in", "sign in, or send a bearer token")
}
