package manifest

import (
	"context"
	"fmt"
	"net/netip"

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

// holders is which service has each prefix, now or from some time on.
func (s State) holders() map[netip.Prefix]string {
	holders := map[netip.Prefix]string{}
	for name, service := range s.Services {
		for _, p := range service.Prefixes {
			if prefix, err := netip.ParsePrefix(p.Prefix); err == nil {
				holders[prefix] = name
			}
		}
	}
	return holders
}
