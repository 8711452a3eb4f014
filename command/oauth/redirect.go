package oauth

import (
	"net/url"
	"slices"
	"strings"
)

const maxRedirectLength = 500 // bytes

// CheckRedirect says what is wrong with an address that codes are to be sent to; empty: nothing. It is https, or http on
// a loopback address for programs on the person's own machine (RFC 8252, 7.3), written as url.URL writes it, so that
// nothing in it can be read in two ways.
func CheckRedirect(text string) string {
	u, err := url.Parse(text)
	switch {
	case text == "" || len(text) > maxRedirectLength:
		return "is missing or longer than 500 bytes"
	case err != nil || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsAny(text, `\*`):
		return "is not a URL, or holds a wildcard"
	case strings.Contains(text, "#"):
		return "has a fragment"
	case u.User != nil:
		return "names a user"
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.String() != text || u.Host != strings.ToLower(u.Host):
		return "is not written as scheme://host/path, the scheme and the host in lower case"
	case u.Scheme == "https" || isLoopback(u):
		return ""
	}
	return "is neither https nor http on 127.0.0.1 or [::1]"
}

func isLoopback(u *url.URL) bool {
	return u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

// MatchRedirect tells whether an address is one of a client's, sign for sign. Of http on a loopback address the port may
// be another: such a program takes the port that is free (RFC 8252, 7.3).
func MatchRedirect(registered []string, given string) bool {
	if CheckRedirect(given) != "" {
		return false
	}
	if slices.Contains(registered, given) {
		return true
	}
	plain := withoutPort(given)
	return plain != "" && slices.ContainsFunc(registered, func(r string) bool { return withoutPort(r) == plain })
}

// withoutPort is empty for what is not http on a loopback address.
func withoutPort(text string) string {
	u, err := url.Parse(text)
	if err != nil || !isLoopback(u) {
		return ""
	}
	if port := u.Port(); port != "" {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	return u.String()
}
