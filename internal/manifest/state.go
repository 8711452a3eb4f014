package manifest

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/client"
)

// State is what the platform has, by name.
type State struct {
	Exporters map[string]client.Exporter
	Plans     map[string]client.Plan
	Customers map[string]client.Customer // by mail address
	Services  map[string]client.Service
}

// Fetch reads the platform's state.
func Fetch(ctx context.Context, c *client.Client) (State, error) {
	var s State
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s.Exporters, err = index(ctx, c, "/exporters", func(e client.Exporter) string { return e.Name })
		return err
	})
	group.Go(func() (err error) {
		s.Plans, err = index(ctx, c, "/plans", func(p client.Plan) string { return p.Name })
		return err
	})
	group.Go(func() (err error) {
		s.Customers, err = index(ctx, c, "/customers", func(c client.Customer) string { return c.Email })
		return err
	})
	group.Go(func() (err error) {
		s.Services, err = index(ctx, c, "/services", func(s client.Service) string { return s.Name })
		return err
	})
	return s, group.Wait()
}

func index[T any](ctx context.Context, c *client.Client, path string, name func(T) string) (map[string]T, error) {
	items, err := client.All[T](ctx, c, path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path[1:], err)
	}
	byName := make(map[string]T, len(items))
	for _, item := range items {
		byName[name(item)] = item
	}
	return byName, nil
}

// holder is who has a prefix, and where it is attached.
type holder struct {
	service    string
	attachment string // exporter; empty: none
}

// holders is which service has each prefix, now or from some time on; the latest, if several have it in turn.
func (s State) holders() map[netip.Prefix]holder {
	holders := map[netip.Prefix]holder{}
	since := map[netip.Prefix]time.Time{}
	for name, service := range s.Services {
		for _, p := range service.Prefixes {
			if prefix, err := netip.ParsePrefix(p.Prefix); err == nil && !p.From.Before(since[prefix]) {
				holders[prefix], since[prefix] = holder{service: name, attachment: p.Attachment}, p.From
			}
		}
	}
	return holders
}

// portKey is a port by the name of its exporter.
type portKey struct {
	exporter string
	ifIndex  int64
}

// portHolders is which service each port is bound to, now or from some time on; the latest, if several.
func (s State) portHolders() map[portKey]string {
	holders := map[portKey]string{}
	since := map[portKey]time.Time{}
	for name, service := range s.Services {
		for _, p := range service.Ports {
			if key := (portKey{p.Exporter, p.IfIndex}); !p.From.Before(since[key]) {
				holders[key], since[key] = name, p.From
			}
		}
	}
	return holders
}
