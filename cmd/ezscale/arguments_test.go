package main

import (
	"io"
	"strings"
	"testing"
)

func TestWrongArgumentsAreErrors(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"quarantine relaese --exporter leaf-0": `unknown command "relaese" for "ezscale quarantine"; usage: ezscale quarantine COMMAND`,
		"replay nosuch":                        `unknown command "nosuch" for "ezscale replay"`,
		"bench nosuch":                         `unknown command "nosuch" for "ezscale bench"`,
		"replay pcap":                          "accepts 1 arg(s), received 0; usage: ezscale replay pcap FILE [flags]",
		"apply network.yaml":                   `usage: ezscale apply -f FILE [flags]`,
		"nosuch":                               `unknown command "nosuch" for "ezscale"`,
	} {
		root := newRoot()
		root.SetArgs(strings.Fields(args))
		root.SetOut(io.Discard)
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
	for _, args := range []string{"quarantine", "replay --help", "meter --help", ""} {
		root := newRoot()
		root.SetArgs(strings.Fields(args))
		var out strings.Builder
		root.SetOut(&out)
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Available Commands:") && args != "" {
			t.Errorf("%q: %v\n%s", args, err, out.String())
		}
	}
}
