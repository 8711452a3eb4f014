package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/live"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/query/bandwidth"
)

const (
	heartbeat       = 15 * time.Second
	maxStreamTime   = time.Hour // then the browser comes back, and its rights are looked at again
	reconnectMillis = 2000
	eventBound      = 10 * time.Second // to write one event
)

// liveOperation registers the stream of a service. It is not behind the bound of time of other handlers.
func (e *edge) liveOperation(t route.Table) {
	op := route.Operation{Method: http.MethodGet, Path: "/services/{id}/live", ID: "watch-service", Tag: "services",
		Summary: "Live traffic of a service (server-sent events)", Access: guard.May(permission.ServicesRead)}.Huma(t.API)
	schemas := t.API.OpenAPI().Components.Schemas
	op.Description = "Event `usage` carries LiveUsage: at first the last ten minutes, then each change, at least every five seconds. " +
		"Event `alert` carries Alert when a quota threshold is crossed. A comment comes every 15 seconds. The stream ends with the session or token, and with the right to it."
	op.Responses["200"] = &huma.Response{Description: "Server-sent events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
		OneOf: []*huma.Schema{schemas.Schema(reflect.TypeFor[live.LiveUsage](), true, "LiveUsage"), schemas.Schema(reflect.TypeFor[bandwidth.Alert](), true, "Alert")}}}}}
	huma.Register(t.API, op, func(ctx context.Context, in *ServiceInput) (*huma.StreamResponse, error) {
		service, err := e.service(ctx, in.ID)
		if err != nil {
			return nil, e.guard.Problem(ctx, "path.", err)
		}
		who := guard.PrincipalOf(ctx)
		v, err := e.live.Join(ctx, service.ID, cmp.Or(who.Person, who.Client))
		if err != nil {
			return nil, e.guard.Problem(ctx, "path.", err)
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			defer e.live.Leave(service.ID, v)
			ended, leave := e.guard.Watch.For(who, guard.AccessOf(hctx.Operation()))
			defer leave()
			newStream(hctx).run(hctx.Context(), e.live.Stopped(), ended, v)
		}}, nil
	})
}

// stream writes server-sent events (WHATWG HTML, section 9.2).
type stream struct {
	writer  http.ResponseWriter
	control *http.ResponseController
}

func newStream(hctx huma.Context) *stream {
	w := humagin.Unwrap(hctx).Writer
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // reverse proxies must not hold it back
	return &stream{writer: w, control: http.NewResponseController(w)}
}

// run writes updates until the client, the session, the hub or the stream's time ends.
func (s *stream) run(ctx context.Context, stopped, ended <-chan struct{}, v *live.Viewer) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	over := time.NewTimer(maxStreamTime)
	defer over.Stop()
	if s.write(fmt.Sprintf("retry: %d\n\n", reconnectMillis)) != nil {
		return
	}
	for {
		var err error
		select {
		case u, open := <-v.Updates:
			if !open {
				return
			}
			err = s.event(u)
		case <-beat.C:
			err = s.write(": still here\n\n")
		case <-over.C:
			return
		case <-stopped:
			return
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *stream) event(u live.Update) error {
	text, err := json.Marshal(u.Data)
	if err != nil {
		return fmt.Errorf("write event %s: %w", u.Event, err)
	}
	return s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", u.Event, text))
}

func (s *stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(eventBound)); err != nil {
		return fmt.Errorf("bound a live stream's write: %w", err)
	}
	if _, err := s.writer.Write([]byte(text)); err != nil {
		return fmt.Errorf("write to a live stream: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush a live stream: %w", err)
	}
	return nil
}
