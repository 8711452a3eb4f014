package passkey

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"golang.org/x/net/publicsuffix"
)

const (
	maxOrigins = 8
	maxLabel   = 64 // bytes: what every authenticator keeps of a name, WebAuthn §5.4.1
)

// validate holds the RP ID and the origins to this: the RP ID is a host in lower case, no IP address and without a port,
// and no domain that somebody can register, because all hosts below that could use its passkeys. An origin is written as
// browsers write it, its host is the RP ID, and it is https; http only where the host is localhost or ends in .localhost,
// which never leaves the machine.
func (c Config) validate() error {
	if err := protocol.ValidateRPID(c.RPID); err != nil {
		return fmt.Errorf("its ID is no host: %w", err)
	}
	if c.RPID != strings.ToLower(c.RPID) {
		return errors.New("its ID must be in lower case, as browsers hash it")
	}
	if isBare(c.RPID) {
		return errors.New("its ID is a whole domain: take a host below it, so that other hosts there cannot use its passkeys")
	}
	if len(c.Origins) == 0 || len(c.Origins) > maxOrigins {
		return fmt.Errorf("it has %d origins, not 1 to %d", len(c.Origins), maxOrigins)
	}
	for i, origin := range c.Origins {
		if err := checkOrigin(origin, c.RPID); err != nil {
			return fmt.Errorf("origin %q: %w", origin, err)
		}
		if slices.Contains(c.Origins[:i], origin) {
			return fmt.Errorf("origin %q is there twice", origin)
		}
	}
	return nil
}

// isBare tells a public suffix (co.uk) and what is registered directly below one (example.co.uk). Names under no suffix
// that is known, as inside a company, cannot be judged.
func isBare(host string) bool {
	suffix, listed := publicsuffix.PublicSuffix(host)
	if !listed && !strings.Contains(suffix, ".") {
		return false
	}
	registrable, err := publicsuffix.EffectiveTLDPlusOne(host)
	return err != nil || registrable == host
}

func checkOrigin(origin, host string) error {
	parsed, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("not a URL: %w", err)
	}
	if parsed.Hostname() != host {
		return errors.New("its host is not the RP ID")
	}
	if parsed.Scheme != "https" && (parsed.Scheme != "http" || !isLocal(host)) {
		return errors.New("not https")
	}
	written := parsed.Scheme + "://" + host
	if port := parsed.Port(); port != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || strconv.FormatUint(number, 10) != port || isDefault(parsed.Scheme, port) {
			return errors.New("its port is none, or need not be said")
		}
		written += ":" + port
	}
	if origin != written {
		return fmt.Errorf("browsers write it %s", written)
	}
	return nil
}

func isDefault(scheme, port string) bool {
	return scheme == "https" && port == "443" || scheme == "http" && port == "80"
}

func isLocal(host string) bool { return host == "localhost" || strings.HasSuffix(host, ".localhost") }

// label takes out what does not show and cuts at a whole rune.
func label(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	for len(text) > maxLabel {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimSpace(text)
}
