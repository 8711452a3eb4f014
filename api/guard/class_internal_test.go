package guard

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ezscale/platform/api/problem"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	names := map[string]Class{}
	for _, class := range []Class{Reading, Password, Code, Passkey, Link, Mailing} {
		if err := class.Validate(); err != nil {
			t.Error(err)
		}
		for _, key := range class.keys(netip.MustParseAddr("192.0.2.1")) {
			if other, taken := names[key.Limit.Name]; taken {
				t.Errorf("%s and %s share %s", class, other, key.Limit.Name)
			}
			names[key.Limit.Name] = class
		}
	}
	for _, class := range []Class{NoClass, "other", "Reading"} {
		if class.Validate() == nil {
			t.Errorf("%q is a class", class)
		}
	}
	a, b, c := Password.keys(netip.MustParseAddr("2001:db8::1")), Password.keys(netip.MustParseAddr("2001:db8:0:ff::1")), Password.keys(netip.MustParseAddr("2001:db9::1"))
	if a[0] != b[0] || a[0] == c[0] || a[1] != c[1] {
		t.Errorf("a network is counted by %v, %v, another by %v", a, b, c)
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{0: "1", time.Microsecond: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90"} {
		p := problem.TooMany(t.Context(), wait)
		if got := p.GetHeaders().Get("Retry-After"); got != want || p.Status != 429 || p.Code != "too_many_attempts" {
			t.Errorf("%v: %+v after %q, want %q", wait, p, got, want)
		}
	}
}
