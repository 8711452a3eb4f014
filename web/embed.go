// Package web is the pages: a single-page application built by Vite into dist/site and embedded here, so that
// the binary needs no files beside it.
//
// Assets carry a hash of their content in their name and may be cached for ever; each also lies there
// compressed, so that nothing is compressed at run time. The document itself is never stored, names the brand and the
// site that it is of, and comes with a Content-Security-Policy that allows this origin only: no other host, no inline script, no
// inline style. Every path that is no file gets the document, because the pages do their own routing; a path
// that looks like a file and is none is not found, so that a stale page fails loudly instead of loading HTML as
// a script.
//
// A binary built without the pages (plain go build) serves a plain sentence that says how to build them.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

const (
	siteDir       = "dist/site"
	indexFile     = "index.html"
	assetsPrefix  = "assets/"
	defaultBrand  = "ezscale"
	cacheForEver  = "public, max-age=31536000, immutable"
	cacheRecheck  = "no-cache"
	cacheNothing  = "no-store"
	contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Pages not built</title>` +
		`<h1>The web pages are not built</h1><p>This binary was built without them. <code>make build</code> builds both; the API works all the same.</p></html>`
)

// Config is what the pages are told. The zero value works.
type Config struct {
	Brand       string // shown as the name of the platform; empty: ezscale
	AdminHost   string // the admin site's host name, without a port; every other name shows the account site
	Development bool   // the pages show the development login
}

// Site serves the pages. It is safe for concurrent use and never changes.
type Site struct {
	account, admin []byte // the document of each site
	adminHost      string
	files          map[string]file
	built          bool
}

// file is one file of the site in the encodings it exists in.
type file struct {
	identity, gzip, brotli []byte
	contentType, etag      string
}

// New reads the embedded pages. Errors: an embedded file that cannot be read, which is a broken build.
func New(cfg Config) (*Site, error) {
	site, err := fs.Sub(dist, siteDir)
	if err != nil {
		return nil, fmt.Errorf("embedded pages: %w", err)
	}
	return open(site, cfg)
}

// Built says whether the pages are in this binary.
func (s *Site) Built() bool { return s.built }

func open(site fs.FS, cfg Config) (*Site, error) {
	s := &Site{files: map[string]file{}, adminHost: cfg.AdminHost}
	index, err := fs.ReadFile(site, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		s.account, s.admin = []byte(notBuilt), []byte(notBuilt)
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("embedded pages: %w", err)
	}
	index = branded(index, cfg.Brand)
	s.account, s.admin, s.built = told(index, "account", cfg.Development), told(index, "admin", cfg.Development), true
	if err := s.load(site); err != nil {
		return nil, fmt.Errorf("embedded pages: %w", err)
	}
	return s, nil
}

// branded puts the brand where the document names the default.
func branded(index []byte, brand string) []byte {
	if brand == "" {
		brand = defaultBrand
	}
	safe := []byte(html.EscapeString(brand))
	for _, around := range [][2]string{{`<title>`, `</title>`}, {`<meta name="application-name" content="`, `"`}} {
		index = bytes.Replace(index, []byte(around[0]+defaultBrand+around[1]), append(append([]byte(around[0]), safe...), around[1]...), 1)
	}
	return index
}

// told puts into the document which site it is of, and whether there is a development login.
func told(index []byte, site string, development bool) []byte {
	content := site
	if development {
		content += " development"
	}
	return bytes.Replace(index, []byte(`<meta name="site" content=""`), []byte(`<meta name="site" content="`+content+`"`), 1)
}

func (s *Site) load(site fs.FS) error {
	return fs.WalkDir(site, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == indexFile {
			return err
		}
		body, err := fs.ReadFile(site, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		s.add(name, body)
		return nil
	})
}

// add keeps a file, or a compressed form of one under the name of what it compresses.
func (s *Site) add(name string, body []byte) {
	plain := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".br")
	f := s.files[plain]
	switch path.Ext(name) {
	case ".gz":
		f.gzip = body
	case ".br":
		f.brotli = body
	default:
		sum := sha256.Sum256(body)
		f.identity, f.etag, f.contentType = body, hex.EncodeToString(sum[:12]), mime.TypeByExtension(path.Ext(name))
	}
	s.files[plain] = f
}

// ServeHTTP answers GET and HEAD for every path that the API does not take.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if f, ok := s.files[name]; ok {
		f.serve(w, r, name)
		return
	}
	if s.built && path.Ext(name) != "" && (strings.HasPrefix(name, assetsPrefix) || !strings.Contains(name, "/")) {
		http.NotFound(w, r)
		return
	}
	s.serveIndex(w, r)
}

func (s *Site) serveIndex(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", cacheNothing)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if !s.built {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(s.account)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.index(r.Host)))
}

// index is the document of the site that is asked for by that name, with or without a port.
func (s *Site) index(host string) []byte {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if s.adminHost != "" && name == s.adminHost {
		return s.admin
	}
	return s.account
}

func (f file) serve(w http.ResponseWriter, r *http.Request, name string) {
	header := w.Header()
	body, encoding := f.choose(r.Header.Get("Accept-Encoding"))
	header.Set("Cache-Control", cacheRecheck)
	if strings.HasPrefix(name, assetsPrefix) {
		header.Set("Cache-Control", cacheForEver)
	}
	if f.gzip != nil || f.brotli != nil {
		header.Set("Vary", "Accept-Encoding")
	}
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	if f.contentType != "" {
		header.Set("Content-Type", f.contentType)
	}
	header.Set("ETag", `"`+f.etag+encoding+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// choose picks the smallest form that the client takes. A coding refused with q=0 counts as not named.
func (f file) choose(accept string) (body []byte, encoding string) {
	if f.brotli != nil && accepts(accept, "br") {
		return f.brotli, "br"
	}
	if f.gzip != nil && accepts(accept, "gzip") {
		return f.gzip, "gzip"
	}
	return f.identity, ""
}

func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, parameter, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			quality := strings.TrimSpace(parameter)
			return quality != "q=0" && quality != "q=0.0" && quality != "q=0.00" && quality != "q=0.000"
		}
	}
	return false
}
