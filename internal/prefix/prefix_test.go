package prefix

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestOwner(t *testing.T) {
	t.Parallel()
	table, err := New([]Assignment{
		{netip.MustParsePrefix("10.0.0.0/8"), 1, 0, Forever},
		{netip.MustParsePrefix("10.1.0.0/16"), 2, 100, 200},
		{netip.MustParsePrefix("10.1.0.0/16"), 3, 200, 300},
		{netip.MustParsePrefix("10.1.0.0/16"), 4, 400, Forever},
		{netip.MustParsePrefix("10.1.2.3/32"), 5, 250, 450},
		{netip.MustParsePrefix("2001:db8::/32"), 6, 10, 20},
		{netip.MustParsePrefix("::ffff:192.0.2.0/120"), 7, 0, Forever},
		{netip.MustParsePrefix("0.0.0.0/0"), 8, 1000, 1001},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		addr string
		at   int64
		want int32
	}{
		{"10.2.0.1", 5, 1}, {"10.2.0.1", -1, None}, {"10.1.0.1", 99, 1}, {"10.1.0.1", 100, 2}, {"10.1.0.1", 199, 2},
		{"10.1.0.1", 200, 3}, {"10.1.0.1", 300, 1}, {"10.1.0.1", 400, 4}, {"10.1.2.3", 250, 5}, {"10.1.2.3", 449, 5},
		{"10.1.2.3", 450, 4}, {"10.1.2.3", 150, 2}, {"10.1.2.3", 350, 5}, {"2001:db8::1", 10, 6}, {"2001:db8::1", 20, None},
		{"192.0.2.9", 1, 7}, {"198.51.100.1", 1, None}, {"198.51.100.1", 1000, 8}, {"198.51.100.1", 1001, None},
	} {
		if got := table.Owner(netip.MustParseAddr(c.addr), c.at); got != c.want {
			t.Errorf("owner of %s at %d: got %d, want %d", c.addr, c.at, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix("10.0.0.0/24")
	for name, bad := range map[string][]Assignment{
		"overlap":  {{p, 1, 0, 10}, {p, 2, 9, 20}},
		"overlap2": {{p, 1, 0, Forever}, {netip.MustParsePrefix("10.0.0.7/24"), 2, 5, 6}},
		"empty":    {{p, 1, 10, 10}},
		"owner":    {{p, -1, 0, 10}},
		"prefix":   {{netip.Prefix{}, 1, 0, 10}},
	} {
		if _, err := New(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Against a plain search through all assignments.
func TestOwnerIsTheLongestValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		used := map[netip.Prefix]int64{}
		var all []Assignment
		for i := range rapid.IntRange(0, 40).Draw(t, "assignments") {
			bits := rapid.IntRange(0, 32).Draw(t, "bits")
			addr := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 3).Draw(t, "c")), byte(rapid.IntRange(0, 7).Draw(t, "d"))})
			p := netip.PrefixFrom(addr, bits).Masked()
			if used[p] == Forever {
				continue
			}
			from := used[p] + rapid.Int64Range(0, 3).Draw(t, "pause")
			to := from + rapid.Int64Range(1, 5).Draw(t, "length")
			if rapid.IntRange(0, 2).Draw(t, "for ever") == 0 {
				to = Forever
			}
			used[p] = to
			all = append(all, Assignment{p, int32(i), from, to})
		}
		table, err := New(all)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			addr := netip.AddrFrom4([4]byte{rapid.SampledFrom([]byte{10, 10, 10, 11, 200}).Draw(t, "a"), byte(rapid.SampledFrom([]int{0, 0, 0, 1, 255}).Draw(t, "b")),
				byte(rapid.IntRange(0, 3).Draw(t, "c")), byte(rapid.IntRange(0, 7).Draw(t, "d"))})
			at := rapid.Int64Range(0, 30).Draw(t, "at")
			if got, want := table.Owner(addr, at), plain(all, addr, at); got != want {
				t.Fatalf("owner of %s at %d: got %d, want %d of %v", addr, at, got, want, all)
			}
		}
	})
}

func plain(all []Assignment, addr netip.Addr, at int64) int32 {
	owner, longest := None, -1
	for _, a := range all {
		if a.Prefix.Contains(addr) && at >= a.From && at < a.To && a.Prefix.Bits() > longest {
			owner, longest = a.Owner, a.Prefix.Bits()
		}
	}
	return owner
}

func BenchmarkOwner(b *testing.B) {
	for _, n := range []int{10, 10_000, 200_000} {
		b.Run(fmt.Sprintf("prefixes=%d", n), func(b *testing.B) {
			all := make([]Assignment, n)
			for i := range all {
				all[i] = Assignment{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), int32(i), 0, Forever}
			}
			table, err := New(all)
			if err != nil {
				b.Fatal(err)
			}
			asked := make([]netip.Addr, 1<<16)
			for i := range asked {
				asked[i] = all[rand.IntN(n)].Prefix.Addr()
				if i%2 == 1 { // the other end of a packet is somewhere on the Internet
					asked[i] = netip.AddrFrom4([4]byte{198, 18, byte(rand.Uint32()), byte(rand.Uint32())})
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if table.Owner(asked[i&(1<<16-1)], 5) == None && i%2 == 0 {
					b.Fatal("nobody")
				}
			}
		})
	}
}
