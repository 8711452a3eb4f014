package guard

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/command"
)

// Meta is what a command of the request of ctx runs with, which no key repeats. Now is the business clock.
func Meta(ctx context.Context, now time.Time) command.Meta {
	return command.Meta{Actor: ActorOf(ctx), RequestID: problem.RequestID(ctx), IP: IP(ctx), UserAgent: UserAgent(ctx), Now: now, NewID: uuid.New}
}
