package live

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query/bandwidth"
)

// run polls until nobody watches, or the hub is stopped.
func (h *Hub) run() {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-h.stopped:
			return
		case <-tick.C:
			services, goOn := h.watched()
			if !goOn {
				return
			}
			h.poll(services)
		}
	}
}

// watched lists the services to ask for; when there are none the run is over.
func (h *Hub) watched() ([]uuid.UUID, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	services := make([]uuid.UUID, 0, len(h.topics))
	for service, t := range h.topics {
		if len(t.viewers) > 0 {
			services = append(services, service)
		}
	}
	h.running = len(services) > 0
	return services, h.running
}

// poll asks once for all and tells each service's viewers what changed.
func (h *Hub) poll(services []uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.Background(), pollBound)
	defer cancel()
	now := h.now()
	f, err := h.ask(ctx, services, now.Add(-changeable), func(service uuid.UUID, slots []bandwidth.Slot) bool { return h.unchanged(service, slots, now) }, now)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tellFailure(err); err != nil {
		return
	}
	h.polls++
	for _, service := range services {
		if t := h.topics[service]; t != nil {
			h.publish(service, t, f, now)
		}
	}
}

// tellFailure logs when polls begin to fail and when they work again, not each time between.
func (h *Hub) tellFailure(err error) {
	if failing := err != nil; failing != h.failing {
		h.failing = failing
		if failing {
			h.log.Warn("live streams cannot be fed; viewers keep what they have", "error", err)
		} else {
			h.log.Info("live streams are fed again")
		}
	}
}

// unchanged tells whether a service needs no look at its cycle: no slot is new and the cycle known is running.
func (h *Hub) unchanged(service uuid.UUID, slots []bandwidth.Slot, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[service]
	if t == nil {
		return true
	}
	if t.cycle != nil && !now.Before(t.cycle.Period.To) {
		return false
	}
	for _, s := range slots {
		if old, ok := t.slots[s.T.Unix()]; !ok || old.Version < s.Version {
			return false
		}
	}
	return true
}

func (h *Hub) publish(service uuid.UUID, t *topic, f found, now time.Time) {
	changed := t.merge(f.slots[service])
	cycle, asked := f.cycles[service]
	if asked {
		t.cycle = &cycle
	}
	t.forget(now.Add(-history))
	if asked || len(changed) > 0 || h.polls%quietEvery == 0 {
		if changed == nil {
			changed = []bandwidth.Slot{}
		}
		h.send(service, t, Update{Event: "usage", Data: LiveUsage{At: now, Slots: changed, Cycle: t.cycle}})
	}
	for _, alert := range t.news(f.alerts[service]) {
		h.send(service, t, Update{Event: "alert", Data: alert})
	}
}

// send gives an update to each viewer; one that has fallen too far behind is disconnected, to come back afresh.
func (h *Hub) send(service uuid.UUID, t *topic, u Update) {
	for v := range t.viewers {
		select {
		case v.updates <- u:
		default:
			h.remove(service, v)
		}
	}
}
