package elastiflow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/metering/replay/document"
)

// A follower takes late documents of its window, once, and reports a watermark that lies before the window.
func TestFollowTakesLateDocuments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	template(t, w.source, document.Codex, w.source.Index("flow")+"*")
	now := start().Add(30 * time.Minute)
	w.now.Store(now.UnixNano())
	early, bytes := many(document.Codex, w.source.Index("flow"), 100, start(), start().Add(28*time.Minute), nil)
	stranger, _ := many(document.Codex, w.source.Index("flow"), 5, start().Add(20*time.Minute), start().Add(21*time.Minute), func(_ int, f *traffic) { f.exporter = "10.7.7.7" })
	w.source.Write(t, append(early, stranger...)...)

	cfg := w.config()
	cfg.From, cfg.To, cfg.Every, cfg.ReportEvery = start(), time.Time{}, 100*time.Millisecond, 50*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { _, err := w.replay(cfg, elasticsearch.Config{}).Run(ctx); ended <- err }()
	w.await(func(l *log) bool { return l.count() == 100 && len(l.reports) > 0 })

	late, lateBytes := many(document.Codex, w.source.Index("flow"), 20, now.Add(-10*time.Minute), now.Add(-9*time.Minute), nil)
	tooLate, _ := many(document.Codex, w.source.Index("flow"), 3, start().Add(time.Minute), start().Add(2*time.Minute), nil)
	w.source.Write(t, append(late, tooLate...)...)
	w.await(func(l *log) bool { return l.count() == 120 })

	next, nextBytes := many(document.Codex, w.source.Index("flow"), 10, now.Add(-time.Minute), now, nil)
	w.source.Write(t, next...)
	w.now.Store(now.Add(5 * time.Minute).UnixNano())
	w.await(func(l *log) bool {
		want := now.Add(5*time.Minute - 2*time.Minute - 15*time.Minute)
		return l.count() == 130 && len(l.reports) > 0 && l.reports[len(l.reports)-1].Watermark.Equal(want)
	})
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l := w.expect(130, bytes+lateBytes+nextBytes)
	for i, r := range l.reports {
		if r.Watermark.After(r.At.Add(-17*time.Minute)) || r.Host == "" {
			t.Errorf("report %d: watermark %s at %s", i, r.Watermark, r.At)
		}
	}
	if last := l.reports[len(l.reports)-1]; last.UnknownDatagrams != 5 || last.Datagrams != 130 || len(last.Unknown) != 1 || last.Unknown[0].Source != "10.7.7.7" {
		t.Errorf("%+v: the stranger's documents are read often, and told once", last)
	}
}

// await reads the log until it is as it shall be.
func (w *world) await(ready func(*log) bool) {
	w.t.Helper()
	for deadline := time.Now().Add(bound); !ready(w.read()); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			l := w.read()
			w.t.Fatalf("%d documents and %d reports in the log", l.count(), len(l.reports))
		}
	}
}

// After a day the hashes of a minute are gone. What comes then is told, not billed.
func TestSealedMinutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bytes := w.indexed(t, 100)
	w.now.Store(start().Add(time.Hour).UnixNano())
	cfg := w.config()
	w.run(cfg, elasticsearch.Config{})

	w.now.Store(start().Add(30 * time.Hour).UnixNano())
	w.run(cfg, elasticsearch.Config{}) // seals in passing
	var open int
	if err := w.owner.QueryRow(t.Context(), "select count(*) from replay_slice where not sealed").Scan(&open); err != nil || open > 0 {
		t.Fatalf("%d minutes are not sealed, %v", open, err)
	}
	late, _ := many(document.Codex, w.source.Index("flow"), 4, start().Add(time.Minute), start().Add(2*time.Minute), nil)
	w.source.Write(t, late...)
	c := w.run(cfg, elasticsearch.Config{})
	if c.Counted != 0 || c.Kept["sealed"] != 4 || c.Duplicates != 100 {
		t.Errorf("%+v", c)
	}
	w.expect(100, bytes)
}
