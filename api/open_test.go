package api

import (
	"log/slog"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/clock"
)

// What strangers may call is counted: an operation that says nothing of it is refused, and shown here.
func TestOpenOperationsAreLimited(t *testing.T) {
	t.Parallel()
	sites, err := guard.ParseSites("http://account.localhost", "http://admin.localhost")
	if err != nil {
		t.Fatal(err)
	}
	server, err := New(Config{Development: true, Sites: sites}, Dependencies{Clock: clock.Real(), Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	edge := humagin.New(gin.New(), openAPIConfig())
	if err := server.edge.operations(edge); err != nil {
		t.Fatal(err)
	}
	reading := map[string]bool{"sign-out": true, "open-development-session": true, "list-development-accounts": true} // nothing is guessed there
	open := 0
	for path, item := range edge.OpenAPI().Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete, item.Head, item.Options, item.Trace} {
			if operation == nil {
				continue
			}
			access := guard.AccessOf(operation)
			if !access.IsOpen() {
				continue
			}
			open++
			if err := access.Class().Validate(); err != nil {
				t.Errorf("%s %s: %v", operation.Method, path, err)
			}
			if access.Class() == guard.Reading && !reading[operation.OperationID] {
				t.Errorf("%s %s is open and of the class that hardly limits: is nothing guessed, made or mailed there?", operation.Method, path)
			}
		}
	}
	if open < 8 {
		t.Errorf("%d open operations were found", open)
	}
}
