package meter_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/ezscale/platform/metering/meter/metertest"
)

// Two collectors hear the same agents. One's Kafka was away: it comes with minutes of datagrams, long after the other has
// brought them and gone on. Then the one in front dies, and the one behind goes on alone.
func TestTwoCollectorsOfOneStreamCountOnce(t *testing.T) {
	t.Parallel()
	w, plain := newWorld(t, 1, 20), newWorld(t, 1, 20)
	w.forget, plain.forget = true, true
	second := metertest.Collector{ID: uuid.New(), Boot: 7}
	packets := steady(9_000)
	send := func(w *world, c *metertest.Collector, from, to int) {
		for _, value := range c.Envelopes(w.exporters[0], packets[from:to]...) {
			w.send(value)
		}
	}
	send(w, &w.collector, 0, 1000)
	send(w, &second, 0, 900)
	send(w, &w.collector, 1000, 7500)
	send(w, &second, 900, 6000) // what is behind the window looks like another boot's
	send(w, &w.collector, 7500, 8000)
	send(w, &second, 6000, 9000)
	send(plain, &plain.collector, 0, 9000)
	for _, one := range []*world{w, plain} {
		_, stop := one.start(one.config())
		one.awaitCounted()
		stop()
	}
	if diff := cmp.Diff(plain.hourlySums(), w.hourlySums()); diff != "" {
		t.Error(diff)
	}
	want, got := plain.loss(), w.loss()
	if got.Datagrams != want.Datagrams || got.DatagramsLost != want.DatagramsLost || got.Restarts != 0 || got.DatagramsDuplicate != 8000 {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// steady are datagrams in order, a hundredth of a second apart.
func steady(n int) []metertest.Packet {
	var all []metertest.Packet
	for i := range uint32(n) {
		all = append(all, metertest.SFlow(epoch.Add(time.Duration(i)*10*time.Millisecond).UnixNano(), metertest.Datagram{
			Agent: agentOf(0), Sequence: i, Uptime: 100_000 + 10*i, Samples: []metertest.Sample{
				{Sequence: i, Source: 1, Rate: 512, Input: 1, Output: 2, FrameLength: 100 + i%1000, IPLength: 82, Src: addressOf(int(i % 20)), Dst: addressOf(200)},
			},
		}))
	}
	return all
}
