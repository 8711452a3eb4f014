package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ory/fosite"

	cmd "github.com/ezscale/platform/command/oauth"
)

const (
	maxQuery = 8 << 10 // bytes
	maxNonce = 500
)

var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) // base64url of SHA-256, RFC 7636, 4.2

// ParseQuery reads the query of an authorization request. A parameter may come once (RFC 6749, 3.1), and nothing that is
// secret may come at all: addresses are logged on their way.
func ParseQuery(text string) (url.Values, error) {
	if len(text) > maxQuery {
		return nil, fosite.ErrInvalidRequest.WithHint("The request is too long.")
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return nil, fosite.ErrInvalidRequest.WithHint("The request is not well-formed.")
	}
	for name, values := range form {
		if len(values) != 1 {
			return nil, fosite.ErrInvalidRequest.WithHint("A parameter came more than once.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) || strings.ContainsRune(name+values[0], 0) {
			return nil, fosite.ErrInvalidRequest.WithHint("A parameter is no text.")
		}
	}
	for _, name := range []string{"client_secret", "access_token", "refresh_token", "code_verifier", "client_assertion"} {
		if form.Has(name) {
			return nil, fosite.ErrInvalidRequest.WithHint("A secret must never be part of an address.")
		}
	}
	return form, nil
}

// asked is an authorization request that is sound, of a known client with an address of its own.
type asked struct {
	fosite.AuthorizeRequester
	client client
	prompt string
	maxAge *time.Duration // how old the proof may be; nil: any
}

// refused is why an authorization request is not sound. Only where back is set may the client be told, by redirect.
type refused struct {
	error
	back  *url.URL
	state string
}

func (r *refused) Unwrap() error { return r.error }

// ask reads and checks an authorization request, and writes nothing. Its errors are *refused, or of the database.
func (s *Server) ask(ctx context.Context, query string) (*asked, error) {
	form, err := ParseQuery(query)
	if err != nil {
		return nil, &refused{error: err}
	}
	found, err := s.store.GetClient(ctx, form.Get("client_id"))
	if errors.Is(err, fosite.ErrNotFound) {
		return nil, &refused{error: fosite.ErrInvalidClient.WithHint("There is no such client on this site.")}
	}
	if err != nil {
		return nil, err
	}
	a := &asked{client: found.(client), prompt: form.Get("prompt")}
	if !cmd.MatchRedirect(a.client.RedirectURIs, form.Get("redirect_uri")) {
		return nil, &refused{error: fosite.ErrInvalidRequest.WithHint("The redirect_uri is none of those that the client has registered.")}
	}
	back, err := url.Parse(form.Get("redirect_uri"))
	if err != nil {
		return nil, &refused{error: fosite.ErrInvalidRequest}
	}
	why := sound(form)
	if why == nil {
		a.maxAge, why = maxAge(form)
	}
	if why == nil {
		a.AuthorizeRequester, why = s.read(ctx, form)
	}
	if why == nil && len(a.GetRequestedScopes()) == 0 {
		why = fosite.ErrInvalidScope.WithHint("Ask for a scope.")
	}
	if why != nil {
		return nil, &refused{error: why, back: back, state: form.Get("state")}
	}
	return a, nil
}

// read gives the request to fosite, as if it had come by itself.
func (s *Server) read(ctx context.Context, form url.Values) (fosite.AuthorizeRequester, error) {
	form.Del("id_token_hint") // whoever is signed in is who is asked
	form.Del("prompt")        // wantsProof holds it
	form.Del("max_age")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/oauth/authorize?"+form.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return s.provider.NewAuthorizeRequest(ctx, r)
}

// sound checks what fosite would check late or not at all.
func sound(form url.Values) error {
	prompts := strings.Fields(form.Get("prompt"))
	switch {
	case form.Has("request"):
		return fosite.ErrRequestNotSupported
	case form.Has("request_uri"):
		return fosite.ErrRequestURINotSupported
	case form.Get("response_type") != "code":
		return fosite.ErrUnsupportedResponseType.WithHint("Only response_type=code is supported.")
	case form.Get("code_challenge_method") != "S256" || !challengePattern.MatchString(form.Get("code_challenge")):
		return fosite.ErrInvalidRequest.WithHint("PKCE is required: code_challenge, and code_challenge_method=S256.")
	case len(form.Get("nonce")) > maxNonce:
		return fosite.ErrInvalidRequest.WithHint("The nonce is too long.")
	case slices.Contains(prompts, "none"):
		return fosite.ErrConsentRequired.WithHint("The person is asked each time.")
	case len(prompts) > 0 && !slices.Contains([]string{"login", "consent", "select_account"}, prompts[0]):
		return fosite.ErrInvalidRequest.WithHint("This prompt is not supported.")
	}
	return nil
}

// maxAge is how old the person's proof may be; nil: any.
func maxAge(form url.Values) (*time.Duration, error) {
	if !form.Has("max_age") {
		return nil, nil
	}
	seconds, err := strconv.ParseUint(form.Get("max_age"), 10, 31)
	if err != nil {
		return nil, fosite.ErrInvalidRequest.WithHint("max_age is a number of seconds.")
	}
	age := time.Duration(seconds) * time.Second
	return &age, nil
}

// fosite's error as the protocol has it; of others nothing is told.
func protocol(err error) *fosite.RFC6749Error {
	var known *fosite.RFC6749Error
	if errors.As(err, &known) {
		return known.WithExposeDebug(false)
	}
	return fosite.ErrServerError
}

// answer is the client's address with an answer, and with who answers (RFC 9207).
func (s *Server) answer(ctx context.Context, back *url.URL, answer url.Values) string {
	to := *back
	query := to.Query()
	for name := range answer {
		query.Set(name, answer.Get(name))
	}
	query.Set("iss", s.issuer(ctx))
	to.RawQuery = query.Encode()
	return to.String()
}

// refusal is the client's address with an error.
func (s *Server) refusal(ctx context.Context, back *url.URL, state string, why error) string {
	e := protocol(why)
	answer := url.Values{"error": {e.ErrorField}, "error_description": {e.GetDescription()}}
	if state != "" {
		answer.Set("state", state)
	}
	return s.answer(ctx, back, answer)
}
