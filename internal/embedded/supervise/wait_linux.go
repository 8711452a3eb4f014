package supervise

import (
	"errors"

	"golang.org/x/sys/unix"
)

// waitForExit returns when the child has ended and leaves it to be awaited: until then its number is its own.
func waitForExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
