package name_test

import (
	"strings"
	"testing"

	"github.com/ezscale/platform/internal/name"
)

func TestFault(t *testing.T) {
	t.Parallel()
	cases := map[string]string{ // name: a part of the fault
		"vps-1":                                "",
		"svc-10.20.0.1":                        "",
		"Größe 7":                              "",
		"7":                                    "",
		strings.Repeat("é", 100):               "",
		"":                                     "is missing",
		strings.Repeat("é", 101):               "is longer than 100 characters",
		" vps":                                 "begins with",
		"vps ":                                 "may hold",
		"a/b":                                  "may hold",
		"a\nb":                                 "may hold",
		"a\xff":                                "may hold",
		"-a":                                   "begins with",
		"018f0000-0000-7000-8000-000000000001": "looks like an id",
	}
	for value, want := range cases {
		if got := name.Fault(value); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("Fault(%q) = %q, want %q", value, got, want)
		}
	}
}
