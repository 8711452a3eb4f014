package stack

import (
	"context"
	"fmt"

	"github.com/ezscale/platform/internal/embedded"
	"github.com/ezscale/platform/internal/embedded/supervise"
	"github.com/ezscale/platform/internal/observe"
)

// Checks look at each of the embedded servers.
func Checks(servers *embedded.Stack) []observe.Check {
	var all []observe.Check
	for _, h := range servers.Health() {
		all = append(all, check(servers, h.Name))
	}
	return all
}

func check(servers *embedded.Stack, name string) observe.Check {
	const mend = "a dead one is started again by itself, a silent one when you kill it; its last words are in the log"
	return observe.Check{Name: "embedded " + name, Mend: mend, Run: func(context.Context) error {
		for _, h := range servers.Health() {
			if h.Name == name {
				return sick(h)
			}
		}
		return nil
	}}
}

func sick(h supervise.Health) error {
	switch {
	case h.State == supervise.Serving:
		return nil
	case h.State == supervise.Silent:
		return fmt.Errorf("process %d runs, but does not answer (%d restarts)", h.PID, h.Restarts)
	case h.LastExit == "":
		return fmt.Errorf("%s", h.State)
	}
	return fmt.Errorf("%s (%d restarts; last exit: %s)", h.State, h.Restarts, h.LastExit)
}
