package progress_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ezscale/platform/metering/meter/progress"
)

const stall = 30 * time.Second

// What another meter has taken over is that one's care, whatever this one had failed with.
func TestAPartitionThatAnotherHoldsIsHealthy(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, fail := range map[string]func(*progress.Progress, error){"failed": (*progress.Progress).Failed, "stopped": (*progress.Progress).Stopped} {
		var p progress.Progress
		p.Take(began)
		fail(&p, errors.New("the lease was lost"))
		if err := p.Health(began.Add(time.Hour), stall); err == nil {
			t.Errorf("%s: healthy while it holds the partition", name)
		}
		p.Drop()
		if err := p.Health(began.Add(time.Hour), stall); err != nil {
			t.Errorf("%s: %v, though another holds the partition", name, err)
		}
		p.Failed(errors.New("Postgres is away"))
		if err := p.Health(began.Add(time.Hour), stall); err == nil {
			t.Errorf("%s: healthy, though nobody can tell who holds the partition", name)
		}
	}
}
