package check_test

import (
	"testing"

	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
)

func TestWhatPeopleSayOfThemselves(t *testing.T) {
	t.Parallel()
	type ask = func(*fault.Fields, string, string)
	for name, c := range map[string]struct {
		ask     ask
		yes, no []string
	}{
		"country":   {check.Country, []string{"DE", "GB", "ZW", "AD"}, []string{"", "de", "UK", "XX", "D", "DEU", "A\n", "E "}},
		"locale":    {check.Locale, []string{"en", "pt-BR", "fil"}, []string{"", "EN", "english", "en_GB", "en-gb"}},
		"time zone": {check.TimeZone, []string{"UTC", "Europe/Berlin", "America/Argentina/Ushuaia"}, []string{"", "Local", "../etc/passwd", "Mars/Base"}},
		"phone":     {check.Phone, []string{"", "+49 30 123456", "(030) 1"[1:], "112"}, []string{"call", "1", "+", "12\n34", "+49\x00123"}},
		"tax id":    {check.TaxID, []string{"", "DE123456789", "12 345.678/9-0"}, []string{"x", "<script>", "DE\r\n1", " DE123"}},
		"line":      {check.Line, []string{"", "Engines & Sons"}, []string{"a\nb", " ", "\xff"}},
	} {
		for _, value := range c.yes {
			var fields fault.Fields
			if c.ask(&fields, "f", value); fields.Err() != nil {
				t.Errorf("%s %q: %v", name, value, fields.Err())
			}
		}
		for _, value := range c.no {
			var fields fault.Fields
			if c.ask(&fields, "f", value); len(fields) != 1 {
				t.Errorf("%s %q must be refused", name, value)
			}
		}
	}
}

func TestProse(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{"a\nb\tc\r\n": true, "": false, " \n": false, "a\x00": false, "\xff": false, "12345678901": false} {
		var fields fault.Fields
		if check.Prose(&fields, "text", text, 10); (fields.Err() == nil) != ok {
			t.Errorf("%q: %v", text, fields.Err())
		}
	}
}
