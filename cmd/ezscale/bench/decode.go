package bench

import (
	"runtime"
	"syscall"
	"time"

	"github.com/ezscale/platform/cmd/ezscale/bench/load"
	"github.com/ezscale/platform/metering/sflow"
)

const decodeFor = time.Second

// decodeRate is how many samples one core decodes in a second of its time.
func decodeRate() float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	datagrams := load.Examples(256)
	var decoder sflow.Decoder
	samples := 0
	began, before := time.Now(), threadTime()
	for time.Since(began) < decodeFor {
		for _, b := range datagrams {
			if decoder.Decode(b) == nil {
				samples += len(decoder.Flows)
			}
		}
	}
	return float64(samples) / (threadTime() - before).Seconds()
}

func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD of getrusage(2)
	var usage syscall.Rusage
	if err := syscall.Getrusage(thread, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
