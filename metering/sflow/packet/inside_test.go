package packet

import "testing"

func TestParseInside(t *testing.T) {
	t.Parallel()
	for set := range MPLS << 1 {
		if got, err := ParseInside(set.Names()); err != nil || got != set {
			t.Errorf("%q: %v, %v", set.Names(), got, err)
		}
	}
	if got := (VXLAN | GRE | MPLS).String(); got != "vxlan,gre,mpls" {
		t.Error(got)
	}
	for _, bad := range []string{"", "geneve", "VXLAN", "vxlan,gre"} {
		if set, err := ParseInside([]string{"gre", bad}); err == nil || set != 0 {
			t.Errorf("%q: %v, %v", bad, set, err)
		}
	}
}
