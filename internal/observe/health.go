package observe

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// CheckBound is how long one check may take before it counts as failed.
const CheckBound = 3 * time.Second

// Part is the state of one part of the platform.
type Part struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why not, in a sentence
	Mend   string `json:"mend,omitempty"`   // what an operator can do
}

// Check looks at one part: nil when it serves and moves, else an error that says why not.
type Check struct {
	Name string
	Mend string
	Run  func(context.Context) error
}

// Health runs the checks of one process. Add them before the first Parts.
type Health struct{ checks []Check }

// Add appends checks; they are reported in this order.
func (h *Health) Add(checks ...Check) { h.checks = append(h.checks, checks...) }

// Parts runs all checks side by side, each within CheckBound.
func (h *Health) Parts(ctx context.Context) []Part {
	parts := make([]Part, len(h.checks))
	var group sync.WaitGroup
	for i, check := range h.checks {
		group.Go(func() { parts[i] = check.part(ctx) })
	}
	group.Wait()
	return parts
}

func (c Check) part(ctx context.Context) Part {
	ctx, cancel := context.WithTimeout(ctx, CheckBound)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- c.Run(ctx) }()
	select {
	case err := <-answer:
		if err == nil {
			return Part{Name: c.Name, OK: true}
		}
		return Part{Name: c.Name, Reason: err.Error(), Mend: c.Mend}
	case <-ctx.Done():
		return Part{Name: c.Name, Reason: "no answer within " + CheckBound.String(), Mend: c.Mend}
	}
}

// Ready tells whether every part serves.
func Ready(parts []Part) bool {
	for _, p := range parts {
		if !p.OK {
			return false
		}
	}
	return true
}

// LiveHandler answers 200 as long as the process can answer at all.
func LiveHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, map[string]bool{"ok": true}) })
}

// ReadyHandler answers 200 only when every part serves, else 503; the body names each part.
func (h *Health) ReadyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := h.Parts(r.Context())
		status := http.StatusOK
		if !Ready(parts) {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, map[string]any{"ok": status == http.StatusOK, "parts": parts})
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone; nobody is left to tell
}
