package samples

import "testing"

func TestTake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sequences []uint32
		drops     []uint32 // the agent's count, 0 where there are no more
		lost      int64
		dropped   int64
	}{
		"in order":                {sequences: []uint32{11, 12, 13}},
		"one missing":             {sequences: []uint32{11, 13}, lost: 1},
		"the missing one late":    {sequences: []uint32{11, 13, 12}},
		"late twice":              {sequences: []uint32{11, 13, 12, 12}},
		"the longest gap":         {sequences: []uint32{60}, lost: 49},
		"a longer one is a reset": {sequences: []uint32{61, 62}},
		"over the end":            {sequences: []uint32{1<<32 - 61, 1<<32 - 20, 5}, lost: 40 + 24},
		"dropped by the agent":    {sequences: []uint32{11, 12}, drops: []uint32{3, 5}, dropped: 5},
		"its count began anew":    {sequences: []uint32{11, 12}, drops: []uint32{3, 0}, dropped: 3},
	} {
		s := Source{High: 10}
		var lost, dropped int64
		for i, sequence := range c.sequences {
			drops := uint32(0)
			if i < len(c.drops) {
				drops = c.drops[i]
			}
			l, d := s.Take(sequence, drops, 100)
			lost, dropped = lost+l, dropped+d
		}
		if lost != c.lost || dropped != c.dropped {
			t.Errorf("%s: %d lost, %d dropped", name, lost, dropped)
		}
	}
}
