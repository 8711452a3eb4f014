package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const page = `<!doctype html><meta name="application-name" content="ezscale"><title>ezscale</title><script type="module" src="/assets/index-abc.js"></script>`

func built(t *testing.T, brand string) *Site {
	t.Helper()
	site, err := open(fstest.MapFS{
		"index.html":             {Data: []byte(page)},
		"theme.js":               {Data: []byte("theme")},
		"assets/index-abc.js":    {Data: []byte("plain")},
		"assets/index-abc.js.gz": {Data: []byte("gzipped")},
		"assets/index-abc.js.br": {Data: []byte("brotli")},
	}, Config{Brand: brand})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func get(s *Site, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestServe(t *testing.T) {
	t.Parallel()
	site := built(t, "")
	for _, c := range []struct {
		path, accept          string
		status                int
		body, cache, encoding string
	}{
		{"/", "", 200, page, cacheNothing, ""},
		{"/services/10.20.0.1", "", 200, page, cacheNothing, ""}, // a dot in a page's path is no file
		{"/index.html/x", "", 200, page, cacheNothing, ""},
		{"/assets/index-abc.js", "", 200, "plain", cacheForEver, ""},
		{"/assets/index-abc.js", "gzip, br", 200, "brotli", cacheForEver, "br"},
		{"/assets/index-abc.js", "gzip;q=1.0, br;q=0", 200, "gzipped", cacheForEver, "gzip"},
		{"/theme.js", "gzip", 200, "theme", cacheRecheck, ""},
		{"/assets/index-old.js", "", 404, "", "", ""},
		{"/robots.txt", "", 404, "", "", ""},
		{"/../../etc/passwd", "", 200, page, cacheNothing, ""},
	} {
		w := get(site, c.path, "Accept-Encoding", c.accept)
		if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s: status %d, body %q", c.path, w.Code, w.Body)
		}
		if c.status == 200 && (w.Header().Get("Cache-Control") != c.cache || w.Header().Get("Content-Encoding") != c.encoding) {
			t.Errorf("%s (%s): %v", c.path, c.accept, w.Header())
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy %q", c.path, policy)
		}
	}
}

func TestUnchangedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	site := built(t, "")
	first := get(site, "/theme.js")
	if w := get(site, "/theme.js", "If-None-Match", first.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("status %d", w.Code)
	}
}

func TestBrandIsEscaped(t *testing.T) {
	t.Parallel()
	body := get(built(t, `Host & "Co" <b>`), "/").Body.String()
	for _, want := range []string{`<title>Host &amp; &#34;Co&#34; &lt;b&gt;</title>`, `content="Host &amp; &#34;Co&#34; &lt;b&gt;"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in %s", want, body)
		}
	}
}

func TestSites(t *testing.T) {
	t.Parallel()
	site, err := open(fstest.MapFS{"index.html": {Data: []byte(`<meta name="site" content="">`)}}, Config{AdminHost: "admin.localhost", Development: true})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"admin.localhost": "admin", "admin.localhost:8080": "admin", "account.localhost:8080": "account", "127.0.0.1": "account", "": "account"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		if body := w.Body.String(); body != `<meta name="site" content="`+want+` development">` {
			t.Errorf("%q: %s", host, body)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	built(t, "").ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/services", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("status %d", w.Code)
	}
}

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	site, err := open(fstest.MapFS{}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := get(site, "/")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make build") || site.Built() {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	site, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if !site.Built() {
		t.Skip("web/dist/site is not built")
	}
	if w := get(site, "/"); !strings.Contains(w.Body.String(), `<div id="app"`) || strings.Contains(w.Body.String(), "<style") {
		t.Errorf("the embedded document: %s", w.Body)
	}
}
