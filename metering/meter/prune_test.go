package meter_test

import (
	"context"
	"testing"
	"time"
)

// Slots go when every partition is past them by the retention and their windows are in Kafka, and not before.
func TestPruning(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 3)
	m, stop := w.start(w.config())
	w.send(newTraffic(w, 12).envelopes(0, 300)...)
	w.awaitCounted()
	stop()
	slots := func() int { return one[int](w, "select count(*) from usage_slot") }
	prune := func() {
		t.Helper()
		if err := m.PruneOnce(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	before, late := slots(), epoch.Add(27*time.Hour)
	if before == 0 {
		t.Fatal("no slots")
	}
	prune()
	w.exec("insert into meter (partition, watermark) select i, $1 from generate_series(1, 11) i", late)
	prune()
	if got := slots(); got != before {
		t.Errorf("%d of %d slots left, though one partition has no watermark yet", got, before)
	}
	w.exec("update meter set watermark = $1, emitted = 0 where partition = 0", late)
	prune()
	if got := slots(); got != before {
		t.Errorf("%d of %d slots left, though they are not emitted", got, before)
	}
	w.exec("update meter set emitted = flush")
	prune()
	if got := slots(); got != 0 {
		t.Errorf("%d slots left", got)
	}
	if n := one[int](w, "select count(*) from loss_minute"); n == 0 {
		t.Error("minutes of loss are gone after a day")
	}
	w.exec("update meter set watermark = $1", epoch.AddDate(0, 0, 36))
	prune()
	if n := one[int](w, "select count(*) from loss_minute"); n != 0 {
		t.Errorf("%d minutes of loss left after five weeks", n)
	}
}

// One round takes more bites than one, from the oldest on, and leaves what is not emitted.
func TestPruningTakesManyBites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	m, stop := w.start(w.config())
	stop()
	w.exec("insert into meter (partition) select i from generate_series(0, 11) i on conflict do nothing")
	w.exec("update meter set watermark = $1, flush = 2, emitted = 1", epoch.Add(27*time.Hour))
	w.exec(`insert into usage_slot (service_id, slot, meter, flush) select gen_random_uuid(), $1::timestamptz - n % 60 * interval '10 s', 0, 1 + (n % 9000 = 0)::int
		from generate_series(1, 45000) n`, epoch)
	if err := m.PruneOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left, kept := one[int](w, "select count(*) from usage_slot"), one[int](w, "select count(*) from usage_slot where flush = 2"); left != 5 || kept != 5 {
		t.Errorf("%d slots left, %d of them not emitted; want the 5 that are not", left, kept)
	}
}

// A window is of a whole minute: one that what came late is emitted of may not have lost its first slots.
func TestPruningLeavesMinutesWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, 0)
	m, stop := w.start(w.config())
	stop()
	w.exec("insert into meter (partition) select i from generate_series(0, 11) i on conflict do nothing")
	minute := epoch.Truncate(time.Minute)
	w.exec("update meter set watermark = $1, flush = 1, emitted = 1", minute.Add(26*time.Hour+30*time.Second))
	w.exec(`insert into usage_slot (service_id, slot, meter, flush) select gen_random_uuid(), $1::timestamptz + n * interval '10 s', 0, 1 from generate_series(-6, 5) n`, minute)
	if err := m.PruneOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left, first := one[int](w, "select count(*) from usage_slot"), one[time.Time](w, "select min(slot) from usage_slot"); left != 6 || !first.Equal(minute) {
		t.Errorf("%d slots left from %s on, want the 6 of the minute from %s on", left, first, minute)
	}
}
