package elastiflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/ezscale/platform/internal/background"
	"github.com/ezscale/platform/internal/elasticsearch"
	"github.com/ezscale/platform/metering/replay/document"
)

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second // between two readings of a slice
	pitAge     = time.Minute      // a point in time is renewed: what is indexed meanwhile shall be seen
	leastPage  = 50
	maxTries   = 5   // of one request; then with another point in time
	maxBad     = 100 // indices that cannot be read and are named
	timestamp  = elasticsearch.TimeField
)

// reader reads documents by time.
type reader struct {
	client  *elasticsearch.Client
	indices []string
	page    int
	now     func() time.Time
	log     *slog.Logger

	bad     []string                   // indices that cannot be read, left out
	schemas map[string]document.Schema // by index, by its mapping
	pit     string
	opened  time.Time
}

// prepare looks at the indices: their schemas, and which of them cannot be read at all.
func (r *reader) prepare(ctx context.Context) error {
	var fields map[string]map[string]string
	var bad []string
	err := r.retry(ctx, func(ctx context.Context) (err error) {
		if fields, err = r.client.Fields(ctx, r.indices, append(document.Fields(), timestamp)); err == nil {
			bad, err = r.client.Sourceless(ctx, r.indices)
		}
		return err
	})
	if err != nil && !errors.Is(err, elasticsearch.ErrNoIndex) {
		return err
	}
	r.schemas = map[string]document.Schema{}
	for index, types := range fields {
		r.schemas[index] = document.Detect(func(f string) bool { _, ok := types[f]; return ok })
		if kind := types[timestamp]; kind != "date" && kind != "date_nanos" && !slices.Contains(bad, index) {
			bad = append(bad, index)
		}
	}
	slices.Sort(bad)
	if len(bad) > maxBad {
		return fmt.Errorf("%w: %d indices have no %s that is a date, or do not store their documents: give a narrower pattern",
			elasticsearch.ErrRefused, len(bad), timestamp)
	}
	if !slices.Equal(bad, r.bad) && len(bad) > 0 {
		r.log.Warn("indices that have no time to read by, or do not store their documents, are left out", "indices", bad)
	}
	if r.bad = bad; len(r.schemas) == 0 {
		r.log.Warn("no index fits; also one that may not be read does not", "indices", r.indices)
	}
	return nil
}

// renew makes the next slice see what was indexed until then.
func (r *reader) renew(ctx context.Context) {
	if r.pit != "" {
		if err := r.client.ClosePIT(ctx, r.pit); err != nil {
			r.log.Debug("a point in time is left to expire", "error", err)
		}
	}
	r.pit = ""
}

// open makes sure that there is a point in time; none when no index fits.
func (r *reader) open(ctx context.Context) (bool, error) {
	if r.pit != "" && r.now().Sub(r.opened) >= pitAge {
		r.renew(ctx)
	}
	if r.pit != "" {
		return true, nil
	}
	err := r.retry(ctx, func(ctx context.Context) (err error) {
		r.pit, err = r.client.OpenPIT(ctx, r.readable())
		return err
	})
	if errors.Is(err, elasticsearch.ErrNoIndex) {
		return false, nil
	}
	r.opened = r.now()
	return err == nil, err
}

// readable are the patterns without the indices that cannot be read.
func (r *reader) readable() []string {
	readable := slices.DeleteFunc(slices.Clone(r.indices), func(i string) bool { return slices.Contains(r.bad, i) })
	for _, b := range r.bad {
		if !slices.Contains(r.indices, b) {
			readable = append(readable, "-"+b)
		}
	}
	return readable
}

// count tells how many documents there are in [from, to).
func (r *reader) count(ctx context.Context, from, to time.Time) (n int64, err error) {
	if ok, err := r.open(ctx); !ok {
		return 0, err
	}
	err = r.retry(ctx, func(ctx context.Context) (err error) {
		n, err = r.client.Count(ctx, elasticsearch.Query{PIT: r.pit, From: from, To: to})
		return err
	})
	return n, r.lost(err)
}

// each gives every document of [from, to) to take, page by page in the order of their times. After an error, and
// elasticsearch.ErrLostPIT is one, begin anew.
func (r *reader) each(ctx context.Context, from, to time.Time, take func(context.Context, []elasticsearch.Hit) error) error {
	if ok, err := r.open(ctx); !ok {
		return err
	}
	q := elasticsearch.Query{PIT: r.pit, From: from, To: to, Size: r.page, Source: document.Fields()}
	for {
		page, err := r.one(ctx, &q)
		if err != nil {
			return r.lost(err)
		}
		if page.PIT != "" {
			r.pit, q.PIT = page.PIT, page.PIT
		}
		if len(page.Hits) > 0 {
			if err := take(ctx, page.Hits); err != nil {
				return err
			}
		}
		if len(page.Hits) < q.Size {
			return nil
		}
		q.After = page.Hits[len(page.Hits)-1].Sort
	}
}

// one asks for a page, for a smaller one when it is too large.
func (r *reader) one(ctx context.Context, q *elasticsearch.Query) (page elasticsearch.Page, err error) {
	for {
		err = r.retry(ctx, func(ctx context.Context) (err error) {
			page, err = r.client.Search(ctx, *q)
			return err
		})
		if !errors.Is(err, elasticsearch.ErrTooLarge) || q.Size <= leastPage {
			return page, err
		}
		q.Size = max(q.Size/2, leastPage)
		r.page = q.Size
		r.log.Warn("pages get smaller", "documents", q.Size, "error", err)
	}
}

// lost forgets a point in time that failed. Where an index is gone, so is the view of it.
func (r *reader) lost(err error) error {
	if err != nil {
		r.pit = ""
	}
	if errors.Is(err, elasticsearch.ErrNoIndex) {
		return fmt.Errorf("%w: %w", elasticsearch.ErrLostPIT, err)
	}
	return err
}

// retry repeats a request that was not answered, a few times.
func (r *reader) retry(ctx context.Context, do func(context.Context) error) error {
	wait := firstPause
	for try := 1; ; try++ {
		err := do(ctx)
		if err == nil || !errors.Is(err, elasticsearch.ErrUnavailable) || ctx.Err() != nil || try == maxTries {
			return err
		}
		if err := background.Pause(ctx, wait/2+rand.N(wait/2)); err != nil {
			return err
		}
		wait *= 2
	}
}

// timeOf is a hit's @timestamp: the first of its sort values, in nanoseconds whatever the index keeps.
func timeOf(h elasticsearch.Hit) (int64, error) {
	var sort []json.RawMessage
	if err := json.Unmarshal(h.Sort, &sort); err != nil || len(sort) == 0 {
		return 0, fmt.Errorf("document %s/%s has no sort value: %w", h.Index, h.ID, elasticsearch.ErrRefused)
	}
	at, err := strconv.ParseInt(string(bytes.TrimSpace(sort[0])), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("document %s/%s has the sort value %s: %w", h.Index, h.ID, sort[0], elasticsearch.ErrRefused)
	}
	return at, nil
}
