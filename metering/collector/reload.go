package collector

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ezscale/platform/metering/collector/sources"
)

const (
	exportersFile  = "exporters.json"
	reloadBound    = 2 * time.Second        // of one read of the table
	reloadApart    = 100 * time.Millisecond // between two reads that datagrams asked for
	exportersLimit = 1 << 20
)

// exporterState is the collector's view of who may send.
type exporterState struct {
	begun atomic.Uint64 // reloads begun
	wake  chan struct{}

	mu      sync.Mutex
	table   *sources.Table
	loaded  bool // from the source or its copy, ever
	failing error
}

// ask wants a reload soon.
func (e *exporterState) ask() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *exporterState) set(t *sources.Table) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table, e.loaded = t, true
}

func (e *exporterState) get() *sources.Table {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.table
}

// note keeps the outcome of a reload and tells whether it changed.
func (e *exporterState) note(err error) (turned bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	turned = (err == nil) != (e.failing == nil)
	e.failing = err
	e.loaded = e.loaded || err == nil
	return turned
}

// health is an error as long as no table was ever read.
func (e *exporterState) health() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.loaded {
		return fmt.Errorf("the exporters have never been read: %w", e.failing)
	}
	return nil
}

// loadFirst reads the table before the first datagram, from its copy when the source does not answer.
func (c *Collector) loadFirst(ctx context.Context) {
	c.exporters.table = sources.NewTable(nil, c.cfg.Partitions)
	if c.reload(ctx); c.exporters.health() == nil {
		return
	}
	list, err := c.readCopy()
	if err != nil {
		c.log.Warn("no copy of the exporters either: every source is unknown until they can be read", "error", err)
		return
	}
	c.exporters.set(sources.NewTable(list, c.cfg.Partitions))
	c.adoptAll(0, false)
	c.log.Warn("exporters taken from the copy on disk", "exporters", len(list))
}

func (c *Collector) reloadLoop(ctx context.Context) {
	tick := time.NewTicker(c.cfg.ReloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.exporters.wake:
		}
		c.reload(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(reloadApart):
		}
	}
}

// reload reads the table and lets every receiver decide on what waits.
func (c *Collector) reload(ctx context.Context) {
	number := c.exporters.begun.Add(1)
	ctx, cancel := context.WithTimeout(ctx, reloadBound)
	defer cancel()
	list, changed, err := c.deps.Exporters(ctx)
	if err == nil && len(list) > exportersLimit {
		err = fmt.Errorf("%d exporters, at most %d", len(list), exportersLimit)
	}
	if turned := c.exporters.note(err); turned && err != nil {
		c.log.Warn("exporters cannot be read; the last table stays", "error", err)
	} else if turned {
		c.log.Info("exporters can be read again")
	}
	switch {
	case err != nil:
		c.metrics.reloadErrors.Inc()
	case changed:
		c.exporters.set(sources.NewTable(list, c.cfg.Partitions))
	}
	c.adoptAll(number, err == nil)
	if err == nil && changed {
		c.keepCopy(list) // after: a slow disk must not keep datagrams waiting
	}
}

func (c *Collector) adoptAll(number uint64, answered bool) {
	t, now := c.exporters.get(), c.deps.Now()
	for _, r := range c.receivers {
		r.adopt(t, number, answered, now)
	}
}

// keepCopy writes the table down, so that a collector starts without Postgres. Without it the collector still works,
// so it is not synced: it is whole after a crash of the process, and maybe empty after one of the machine.
func (c *Collector) keepCopy(list []Exporter) {
	if c.cfg.DataDir == "" {
		return
	}
	text, err := json.Marshal(list)
	if err == nil {
		path := filepath.Join(c.cfg.DataDir, exportersFile)
		if err = os.WriteFile(path+".next", text, 0o600); err == nil {
			err = os.Rename(path+".next", path)
		}
	}
	if err != nil {
		c.log.Warn("copy of the exporters not kept", "error", err)
	}
}

func (c *Collector) readCopy() ([]Exporter, error) {
	text, err := os.ReadFile(filepath.Join(c.cfg.DataDir, exportersFile))
	if err != nil {
		return nil, fmt.Errorf("read copy of the exporters: %w", err)
	}
	var list []Exporter
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read copy of the exporters: %w", err)
	}
	return list, nil
}
