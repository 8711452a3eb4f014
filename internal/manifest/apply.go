package manifest

import (
	"context"
	"errors"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ezscale/platform/internal/client"
	"github.com/ezscale/platform/internal/manifest/faults"
)

// Parallel is how many commands are given at a time.
const Parallel = 8

// Apply gives the commands of the steps, stage by stage, and calls done after each that succeeded, one at a time.
// A stage is finished even when some of it fails; the stages after it are then left. The error is faults.Errors when the
// server refused something, each at its place in the file.
func Apply(ctx context.Context, c *client.Client, f *File, steps []Step, done func(Step)) error {
	for stage := range stages {
		run := run{client: c, file: f, done: done}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(Parallel)
		for _, step := range steps {
			if step.stage == stage {
				group.Go(func() error { return run.step(ctx, step) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := run.errs.OrNil(); err != nil {
			return run.errs.Cut()
		}
	}
	return nil
}

// run is one stage under way.
type run struct {
	client *client.Client
	file   *File
	done   func(Step)

	mu   sync.Mutex
	errs faults.Errors
}

// step gives one command. A refusal is kept; only what concerns every step is returned.
func (r *run) step(ctx context.Context, s Step) error {
	key, err := s.key()
	if err != nil {
		return err
	}
	err = r.client.Write(ctx, s.method, s.url, key, s.body, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused *client.Problem
	switch {
	case err == nil:
		r.done(s)
		return nil
	case errors.As(err, &refused) && refused.Status != 401 && refused.Status < 500:
		r.errs = append(r.errs, r.file.refusals(s, refused)...)
		return nil
	default:
		return err
	}
}

// refusals tells a problem at the places in the file that it is about.
func (f *File) refusals(s Step, p *client.Problem) faults.Errors {
	if len(p.Errors) == 0 {
		return faults.Errors{f.fault(s.Path, "%s", p.Error())}
	}
	var errs faults.Errors
	for _, field := range p.Errors {
		errs = append(errs, f.fault(s.Path+"."+s.field(strings.TrimPrefix(field.Location, "body.")), "%s", field.Message))
	}
	return errs
}

// field is the file's name of a field of the API. "prefix" alone is the element itself.
func (s Step) field(api string) string {
	for from, to := range s.fields {
		if rest, ok := strings.CutPrefix(api, from); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return to + rest
		}
	}
	return api
}
