package sflow

import (
	"testing"

	"github.com/ezscale/platform/metering/sflow/packet"
)

func TestExtensionHeaders(t *testing.T) {
	t.Parallel()
	plain := ethernetOf(tagged(frameIPv6()))
	many := func(n int) [][]byte {
		var all [][]byte
		for range n {
			all = append(all, optionHeader(60, 8))
		}
		return all
	}
	for name, tc := range map[string]struct {
		frame layer
		cut   int // bytes of IPv6 and what follows that are there, 0 for all
		want  uint8
	}{
		"none":                        {plain, 0, 17},
		"hop by hop":                  {plain.extendedBy(optionHeader(0, 8)), 0, 17},
		"hop by hop, long":            {plain.extendedBy(optionHeader(0, 64)), 0, 17},
		"routing":                     {plain.extendedBy(optionHeader(43, 24)), 0, 17},
		"first fragment":              {plain.extendedBy(fragmentHeader(0)), 0, 17},
		"later fragment":              {plain.extendedBy(fragmentHeader(100)), 0, 17},
		"later fragment of options":   {plain.extendedBy(fragmentHeader(100), optionHeader(60, 8)), 0, 60},
		"destination options":         {plain.extendedBy(optionHeader(60, 16)), 0, 17},
		"all four":                    {plain.extendedBy(optionHeader(0, 8), optionHeader(43, 8), fragmentHeader(0), optionHeader(60, 8)), 0, 17},
		"eight":                       {plain.extendedBy(many(8)...), 0, 17},
		"nine":                        {plain.extendedBy(many(9)...), 0, 60},
		"cut in the first":            {plain.extendedBy(optionHeader(0, 8)), 47, 0},
		"cut behind the first":        {plain.extendedBy(optionHeader(0, 8)), 48, 17},
		"cut in the second":           {plain.extendedBy(optionHeader(0, 8), optionHeader(43, 8)), 55, 43},
		"cut in a long one":           {plain.extendedBy(optionHeader(0, 64)), 60, 17},
		"cut before any":              {plain.extendedBy(optionHeader(43, 8)), 40, 43},
		"encrypted":                   {plain.patch(20, 50), 0, 50},
		"no next header":              {plain.patch(20, 59), 0, 59},
		"protocol 64 is no extension": {plain.patch(20, 64), 0, 64},
		"protocol 107 neither":        {plain.patch(20, 64+43), 0, 64 + 43},
	} {
		header := tc.frame.b
		if tc.cut > 0 {
			header = header[:packet.EthernetBytes+tc.cut]
		}
		for _, inside := range []Inside{0, MPLS} {
			c := insideCase{frame: layer{header, tc.frame.size}}
			s := c.decode(t, inside, len(header))
			if s.Protocol != tc.want || int(s.IPLength) != tc.frame.size-packet.EthernetBytes || s.Src.String() != src6 {
				t.Errorf("%s: protocol %d, want %d: %+v", name, s.Protocol, tc.want, s)
			}
		}
	}
}
