package check_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "svc-10.20.0.1", "leaf-0", "Müller GmbH", "vps_s:2", "x@y"} {
		var fields fault.Fields
		if check.Name(&fields, "name", name); fields.Err() != nil {
			t.Errorf("%q must be a name: %v", name, fields.Err())
		}
	}
	for _, name := range []string{"", " a", "a ", "-a", "a/b", "a\nb", "a\x00", strings.Repeat("x", 101), "01890a5d-ac96-774b-bcce-b302099a8057"} {
		var fields fault.Fields
		if check.Name(&fields, "name", name); len(fields) != 1 || fields[0].Name != "name" {
			t.Errorf("%q must be refused, got %v", name, fields)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"A": true, "Müller & Söhne (Berlin)": true, "": false, "  ": false, "a\tb": false, "a\xffb": false, strings.Repeat("ü", 201): false} {
		var fields fault.Fields
		if check.Text(&fields, "name", text); (fields.Err() == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", text, fields.Err(), ok)
		}
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"10.20.0.1/32", "10.20.0.0/24", "2001:db8::/48", "2001:db8::1/128"} {
		var fields fault.Fields
		if got := check.Prefix(&fields, "prefix", text); fields.Err() != nil || got != netip.MustParsePrefix(text) {
			t.Errorf("%q: got %s (%v)", text, got, fields.Err())
		}
	}
	for text, hint := range map[string]string{
		"10.20.0.1/24": "10.20.0.0/24", "10.20.0.1": "10.20.0.1/32", "2001:db8::1": "2001:db8::1/128", "2001:db8::1/64": "2001:db8::/64",
		"::ffff:10.0.0.1/128": "IPv4", "0.0.0.0/0": "every address", "": "not an address prefix", "10.0.0.0/33": "not an address prefix", "fe80::1%eth0": "fe80::1/128",
	} {
		var fields fault.Fields
		check.Prefix(&fields, "prefixes[0].prefix", text)
		if len(fields) != 1 || !strings.Contains(fields[0].Message, hint) || fields[0].Name != "prefixes[0].prefix" {
			t.Errorf("%q: got %v, want a hint at %q", text, fields, hint)
		}
	}
}
