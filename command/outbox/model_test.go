package outbox_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// A model of the reasoning in the package comment, small enough to try every kind of schedule: writers that lock,
// write (which gives them a transaction id) and commit or abort, two relays of which one may be a zombie, crashes
// between publishing and moving the cursor, and a consumer that drops repeated numbers.

const (
	modelWriters    = 4
	modelAggregates = 2
	modelRelays     = 2
	modelSteps      = 120
)

type modelRow struct{ txid, aggregate, version int }

type modelTx struct {
	aggregate int
	locked    bool
	txid      int // 0: has not written
	rows      []modelRow
}

type modelRelay struct {
	epoch  int
	cursor int // of the lease's beginning and its own moves
	number int
	batch  []modelRow // in its hands, published or not
}

type model struct {
	horizon, locks bool // the two rules under test
	choose         func(n int) int

	running   [modelWriters]*modelTx
	lock      [modelAggregates]*modelTx
	version   [modelAggregates]int // of committed writers
	committed []modelRow           // sorted by txid
	nextTxid  int

	epoch, cursor, number int // the row of table relay
	relays                [modelRelays]modelRelay
	wire                  []struct{ number, index int }
	wireRows              []modelRow
}

func (m *model) step() {
	if m.choose(3) > 0 {
		m.writer(m.choose(modelWriters))
		return
	}
	m.relay(&m.relays[m.choose(modelRelays)])
}

func (m *model) writer(i int) {
	tx := m.running[i]
	switch {
	case tx == nil:
		m.running[i] = &modelTx{aggregate: m.choose(modelAggregates)}
	case !tx.locked:
		if m.locks && m.lock[tx.aggregate] != nil {
			return // waits, without a transaction id
		}
		tx.locked, m.lock[tx.aggregate] = true, tx
	case tx.txid == 0:
		m.nextTxid++
		tx.txid = m.nextTxid
	case len(tx.rows) < 2 && m.choose(2) == 0:
		tx.rows = append(tx.rows, modelRow{txid: tx.txid, aggregate: tx.aggregate})
	default:
		m.end(i, tx, m.choose(4) > 0)
	}
}

func (m *model) end(i int, tx *modelTx, commit bool) {
	m.running[i], m.lock[tx.aggregate] = nil, nil
	if !commit {
		return
	}
	at := len(m.committed)
	for at > 0 && m.committed[at-1].txid > tx.txid {
		at--
	}
	var fresh []modelRow
	for _, r := range tx.rows { // the version row is locked from the write to the commit
		m.version[tx.aggregate]++
		r.version = m.version[tx.aggregate]
		fresh = append(fresh, r)
	}
	m.committed = append(m.committed[:at:at], append(fresh, m.committed[at:]...)...)
}

// visible is what a relay may read after a transaction id.
func (m *model) visible(after int) (rows []modelRow) {
	xmin := m.nextTxid + 1
	for _, tx := range m.running {
		if tx != nil && tx.txid > 0 {
			xmin = min(xmin, tx.txid)
		}
	}
	for _, r := range m.committed {
		if r.txid > after && (!m.horizon || r.txid < xmin) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (m *model) relay(r *modelRelay) {
	switch m.choose(5) {
	case 0: // takes the lease, and what it held before is forgotten: a restart
		m.epoch++
		*r = modelRelay{epoch: m.epoch, cursor: m.cursor, number: m.number}
	case 1:
		if r.batch == nil && r.epoch > 0 {
			r.batch = m.visible(r.cursor)
		}
	case 2, 3: // publishes, again perhaps, and whether it still leads or not
		for i, row := range r.batch {
			m.wire = append(m.wire, struct{ number, index int }{r.number + i, len(m.wireRows)})
			m.wireRows = append(m.wireRows, row)
		}
		if len(r.batch) > 0 {
			m.move(r)
		}
	}
}

// move compares epoch and cursor and sets; it may crash before.
func (m *model) move(r *modelRelay) {
	if m.choose(3) == 0 {
		return
	}
	if r.epoch == m.epoch && r.cursor == m.cursor {
		r.cursor, r.number = r.batch[len(r.batch)-1].txid, r.number+len(r.batch)
		m.cursor, m.number = r.cursor, r.number
	}
	r.batch = nil
}

// finish lets everything come to rest.
func (m *model) finish() {
	for i, tx := range m.running {
		if tx != nil {
			m.end(i, tx, true)
		}
	}
	m.epoch++
	last := &modelRelay{epoch: m.epoch, cursor: m.cursor, number: m.number}
	for i, row := range m.visible(last.cursor) {
		m.wire = append(m.wire, struct{ number, index int }{last.number + i, len(m.wireRows)})
		m.wireRows = append(m.wireRows, row)
	}
}

// judge consumes the wire and says what went wrong.
func (m *model) judge() error {
	taken, last := 0, -1
	var versions [modelAggregates]int
	for _, w := range m.wire {
		if w.number <= last {
			continue
		}
		if w.number > last+1 {
			return fmt.Errorf("a gap: %d after %d", w.number, last)
		}
		last = w.number
		row := m.wireRows[w.index]
		if row.version != versions[row.aggregate]+1 {
			return fmt.Errorf("aggregate %d: version %d after %d", row.aggregate, row.version, versions[row.aggregate])
		}
		versions[row.aggregate]++
		taken++
	}
	if taken != len(m.committed) {
		return fmt.Errorf("%d of %d events taken", taken, len(m.committed))
	}
	return nil
}

func run(horizon, locks bool, choose func(n int) int) error {
	m := &model{horizon: horizon, locks: locks, choose: choose}
	for range modelSteps {
		m.step()
	}
	m.finish()
	return m.judge()
}

func TestModelLosesAndReordersNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if err := run(true, true, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }); err != nil {
			t.Fatal(err)
		}
	})
}

// Without either rule the same model fails: it is the rules that hold.
func TestModelNeedsBothRules(t *testing.T) {
	t.Parallel()
	for _, rules := range []struct{ horizon, locks bool }{{false, true}, {true, false}} {
		failures := 0
		for seed := range uint64(2000) {
			if run(rules.horizon, rules.locks, rand.New(rand.NewPCG(seed, 0)).IntN) != nil {
				failures++
			}
		}
		if failures == 0 {
			t.Errorf("with %+v nothing went wrong", rules)
		}
		t.Logf("%+v: %d of 2000 schedules go wrong", rules, failures)
	}
	for seed := range uint64(20_000) {
		if err := run(true, true, rand.New(rand.NewPCG(seed, 0)).IntN); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}
