// Package live feeds the live streams of a process. Each second it asks the database once for all services that
// are watched, whoever watches: a thousand viewers of one service cost one poll, and with no viewer there is none.
// Updates are absolute, so a viewer that missed some is only behind until the next; one that cannot keep up is
// disconnected and comes back to a fresh start.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/bandwidth"
	"github.com/ezscale/platform/query/billing"
)

// Bounds of the live streams.
const (
	pollEvery     = time.Second
	pollBound     = 5 * time.Second
	quietEvery    = 5 // polls between updates of a service that is silent
	history       = 10 * time.Minute
	changeable    = 2 * time.Minute // how far back a poll looks for slots that changed
	viewerBacklog = 16              // updates; a viewer that is further behind is disconnected
	ofOne         = 50              // viewers: nobody takes all places
)

// LiveUsage is what changed of a service: at first the last ten minutes, then each change.
type LiveUsage struct {
	At    time.Time             `json:"at" doc:"The platform's time: slots before it that were never sent are silent"`
	Slots []bandwidth.Slot      `json:"slots" nullable:"false" doc:"Ten seconds each, absolute: a slot sent again replaces the one before"`
	Cycle *billing.CycleSummary `json:"cycle,omitempty"`
}

// Update is one server-sent event.
type Update struct {
	Event string // usage (LiveUsage), alert (bandwidth.Alert)
	Data  any
}

// Hub feeds viewers. It polls while somebody watches.
type Hub struct {
	db      query.Postgres
	now     func() time.Time
	log     *slog.Logger
	max     int
	gauge   prometheus.Gauge
	loading singleflight.Group
	stopped chan struct{}

	mu      sync.Mutex
	topics  map[uuid.UUID]*topic
	viewers int
	each    map[uuid.UUID]int // viewers by whose they are
	running bool
	closed  bool
	failing bool
	polls   int
}

// topic is a watched service.
type topic struct {
	slots   map[int64]bandwidth.Slot // by start
	cycle   *billing.CycleSummary
	alerts  map[string]bool // told already
	viewers map[*Viewer]bool
}

// Viewer receives the updates of one service. The channel is closed when the viewer has fallen too far behind.
type Viewer struct {
	Updates <-chan Update
	updates chan Update
	whose   uuid.UUID
}

// New makes a hub for at most limit viewers; gauge shows how many there are.
func New(db query.Postgres, now func() time.Time, log *slog.Logger, limit int, gauge prometheus.Gauge) *Hub {
	return &Hub{db: db, now: now, log: log, max: limit, gauge: gauge, stopped: make(chan struct{}), topics: map[uuid.UUID]*topic{}, each: map[uuid.UUID]int{}}
}

// Stop ends every stream. It may be called twice.
func (h *Hub) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.stopped)
	}
}

// Stopped is closed by Stop.
func (h *Hub) Stopped() <-chan struct{} { return h.stopped }

// Join adds a viewer, whose first update is the service as it stands; whose it is, a person or a program, bounds how many
// there may be, unless it is the nil UUID. Errors: Unavailable when there are too many.
func (h *Hub) Join(ctx context.Context, service, whose uuid.UUID) (*Viewer, error) {
	_, err, _ := h.loading.Do(service.String(), func() (any, error) { return nil, h.load(ctx, service) })
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil { // another viewer's request was cut off while it loaded for us
		if err := h.load(ctx, service); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.viewers >= h.max || whose != uuid.Nil && h.each[whose] >= ofOne {
		h.drop(service)
		return nil, fault.New(fault.Unavailable, "too_many_streams", "there are too many live streams; try again later")
	}
	t := h.topics[service]
	if t == nil {
		return nil, fault.New(fault.Unavailable, "stream_not_ready", "the live stream could not be opened; try again")
	}
	updates := make(chan Update, viewerBacklog)
	v := &Viewer{Updates: updates, updates: updates, whose: whose}
	v.updates <- Update{Event: "usage", Data: LiveUsage{At: h.now(), Slots: t.sorted(), Cycle: t.cycle}}
	t.viewers[v] = true
	h.viewers++
	h.each[whose]++
	h.gauge.Set(float64(h.viewers))
	if !h.running {
		h.running = true
		go h.run()
	}
	return v, nil
}

// Leave removes a viewer. A service that nobody watches is forgotten.
func (h *Hub) Leave(service uuid.UUID, v *Viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(service, v)
}

func (h *Hub) remove(service uuid.UUID, v *Viewer) {
	t := h.topics[service]
	if t == nil || !t.viewers[v] {
		return
	}
	delete(t.viewers, v)
	close(v.updates)
	h.viewers--
	if h.each[v.whose]--; h.each[v.whose] == 0 {
		delete(h.each, v.whose)
	}
	h.gauge.Set(float64(h.viewers))
	h.drop(service)
}

func (h *Hub) drop(service uuid.UUID) {
	if t := h.topics[service]; t != nil && len(t.viewers) == 0 {
		delete(h.topics, service)
	}
}

// load makes the topic of a service that nobody watches yet.
func (h *Hub) load(ctx context.Context, service uuid.UUID) error {
	h.mu.Lock()
	_, known := h.topics[service]
	h.mu.Unlock()
	if known {
		return nil
	}
	now := h.now()
	found, err := h.ask(ctx, []uuid.UUID{service}, now.Add(-history), nil, now)
	if err != nil {
		return err
	}
	t := &topic{slots: map[int64]bandwidth.Slot{}, alerts: map[string]bool{}, viewers: map[*Viewer]bool{}}
	t.merge(found.slots[service])
	t.news(found.alerts[service])
	if cycle, ok := found.cycles[service]; ok {
		t.cycle = &cycle
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics[service] == nil {
		h.topics[service] = t
	}
	return nil
}

// found is one poll's answer, by service.
type found struct {
	slots  map[uuid.UUID][]bandwidth.Slot
	cycles map[uuid.UUID]billing.CycleSummary
	alerts map[uuid.UUID][]bandwidth.Alert
}

// ask reads slots of services since a time, and cycles and alerts of those that changed: unchanged says which
// did not (nil: all changed).
func (h *Hub) ask(ctx context.Context, services []uuid.UUID, since time.Time, unchanged func(uuid.UUID, []bandwidth.Slot) bool, now time.Time) (found, error) {
	f := found{slots: map[uuid.UUID][]bandwidth.Slot{}, alerts: map[uuid.UUID][]bandwidth.Alert{}}
	slots, err := bandwidth.LiveSlots(ctx, h.db, services, since)
	if err != nil {
		return f, fmt.Errorf("live slots: %w", err)
	}
	for _, s := range slots {
		f.slots[s.ServiceID] = append(f.slots[s.ServiceID], s)
	}
	changed := make([]uuid.UUID, 0, len(services))
	for _, service := range services {
		if unchanged == nil || !unchanged(service, f.slots[service]) {
			changed = append(changed, service)
		}
	}
	if len(changed) == 0 {
		return f, nil
	}
	if f.cycles, err = billing.CurrentCycles(ctx, h.db, changed, now); err != nil {
		return f, fmt.Errorf("live cycles: %w", err)
	}
	alerts, err := bandwidth.LiveAlerts(ctx, h.db, changed, now.Add(-history))
	if err != nil {
		return f, fmt.Errorf("live alerts: %w", err)
	}
	for _, a := range alerts {
		f.alerts[a.Service.ID] = append(f.alerts[a.Service.ID], a)
	}
	return f, nil
}

// merge takes newer slots in and gives those that changed.
func (t *topic) merge(slots []bandwidth.Slot) []bandwidth.Slot {
	var changed []bandwidth.Slot
	for _, s := range slots {
		if old, ok := t.slots[s.T.Unix()]; !ok || old.Version < s.Version {
			t.slots[s.T.Unix()] = s
			changed = append(changed, s)
		}
	}
	return changed
}

// news gives the alerts that were not told yet.
func (t *topic) news(alerts []bandwidth.Alert) []bandwidth.Alert {
	var fresh []bandwidth.Alert
	for _, a := range alerts {
		key := fmt.Sprintf("%s/%d", a.CycleID, a.Threshold)
		if !t.alerts[key] {
			t.alerts[key] = true
			fresh = append(fresh, a)
		}
	}
	return fresh
}

func (t *topic) sorted() []bandwidth.Slot {
	slots := make([]bandwidth.Slot, 0, len(t.slots))
	for _, s := range t.slots {
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b bandwidth.Slot) int { return cmp.Compare(a.T.Unix(), b.T.Unix()) })
	return slots
}

// forget drops slots that are older than what a new viewer is shown.
func (t *topic) forget(before time.Time) {
	for at := range t.slots {
		if at < before.Unix() {
			delete(t.slots, at)
		}
	}
}
