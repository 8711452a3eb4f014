package guard

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ezscale/platform/api/problem"
)

// Bounds of what a request may bring.
const (
	MaxBodyBytes    = 1 << 20
	requestIDHeader = "X-Request-Id"
	maxRequestID    = 64
	maxUserAgent    = 256 // bytes
	writeTimeout    = 60 * time.Second
)

// request is what the middleware knows of one request.
type request struct {
	secure bool
	local  bool
	ip     netip.Addr
	agent  string
	site   Site
}

func requestOf(ctx context.Context) request {
	r, _ := ctx.Value(requestKey).(request)
	return r
}

// IsSecure tells whether the request of ctx came over TLS, here or to the proxy that the site's address says is there.
func IsSecure(ctx context.Context) bool { return requestOf(ctx).secure }

// IsLocal tells whether the request of ctx was sent on this machine, and not through a proxy for somebody else.
func IsLocal(ctx context.Context) bool { return requestOf(ctx).local }

// IP is where the request of ctx came from: the connection's own address, or what a trusted proxy says.
func IP(ctx context.Context) netip.Addr { return requestOf(ctx).ip }

// UserAgent is what says to have sent the request of ctx, cut to what a log can hold.
func UserAgent(ctx context.Context) string { return requestOf(ctx).agent }

// Middleware is what every request goes through, in order.
func (g *Guard) Middleware() []gin.HandlerFunc {
	return []gin.HandlerFunc{g.identify, g.observe, g.recover, protect, g.assert, g.guide, sameOrigin(), bound, g.authenticate}
}

// identify gives the request an id: the caller's if it is short and plain, so that it can follow its own logs.
func (g *Guard) identify(c *gin.Context) {
	r := request{local: isLocal(c.Request), agent: printable(c.Request.UserAgent()), site: g.sites.of(c.Request.Host), ip: clientIP(c.Request, g.proxies)}
	r.secure = c.Request.TLS != nil || r.site != NoSite && g.sites.URL(r.site).Scheme == "https"
	id := c.GetHeader(requestIDHeader)
	if !isPlain(id) {
		id = uuid.NewString()
	}
	c.Request = c.Request.WithContext(problem.Identify(context.WithValue(c.Request.Context(), requestKey, r), id))
	c.Header(requestIDHeader, id)
}

// isLocal looks at the connection's own address. A proxy on this machine makes everybody's connection local, so a
// request that says it was forwarded is not.
func isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback() && !isForwarded(r.Header)
}

// isForwarded asks whether a header is there, not what it says: an empty one that the client has sent may stand before
// that of a proxy.
func isForwarded(h http.Header) bool {
	return slices.ContainsFunc([]string{"Forwarded", forwardedFor, "X-Real-Ip", "Via", connectingIP}, func(name string) bool { return len(h.Values(name)) > 0 })
}

// printable keeps what a log may hold of a text from outside: no control characters, no broken UTF-8, not too long.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > maxUserAgent {
		text = strings.ToValidUTF8(text[:maxUserAgent], "")
	}
	return text
}

func isPlain(id string) bool {
	for _, b := range []byte(id) {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '-' && b != '_' {
			return false
		}
	}
	return len(id) >= 8 && len(id) <= maxRequestID
}

// observe logs and counts each request by its route's template: paths and queries hold names and addresses.
func (g *Guard) observe(c *gin.Context) {
	start := time.Now()
	defer func() {
		route := c.FullPath()
		if route == "" {
			route = "page"
		}
		took, status := time.Since(start), c.Writer.Status()
		method := counted(c.Request.Method)
		g.metrics.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		g.metrics.seconds.WithLabelValues(method, route).Observe(took.Seconds())
		g.log.LogAttrs(c.Request.Context(), levelOf(route, status), "request", slog.String("method", c.Request.Method), slog.String("route", route),
			slog.Int("status", status), slog.Duration("took", took), slog.Int("bytes", c.Writer.Size()),
			slog.String("request_id", problem.RequestID(c.Request.Context())), slog.String("actor", ActorOf(c.Request.Context())))
	}()
	c.Next()
}

// counted is the method by which a request is counted. A client may send any word for one; each word of its own would be
// a series of metrics for as long as the process lives.
func counted(method string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}

// levelOf keeps pages and probes out of the log unless they fail.
func levelOf(route string, status int) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelWarn
	case route == "page", strings.HasPrefix(route, "/health/"), route == "/metrics":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// recover answers a panic with a problem that tells nothing, and logs everything.
func (g *Guard) recover(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		ctx := c.Request.Context()
		g.metrics.panics.Inc()
		g.log.ErrorContext(ctx, "handler panicked", "request_id", problem.RequestID(ctx), "route", c.FullPath(), "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
		c.Abort()
		if !c.Writer.Written() {
			problem.New(ctx, http.StatusInternalServerError, "internal", "something went wrong on our side; the log knows more under this request's id").Write(c.Writer)
		}
	}()
	c.Next()
}

// protect sets what every answer carries. An answer for programs may load and frame nothing; pages bring a policy
// of their own for this origin and no other.
func protect(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	if IsSecure(c.Request.Context()) {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	if IsAPI(c.Request.URL.Path) {
		h.Set("Cache-Control", "no-store")
	}
}

// sameOrigin refuses what another site's page sends in a visitor's name.
func sameOrigin() gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if protection.Check(c.Request) != nil {
			problem.New(c.Request.Context(), http.StatusForbidden, "cross_origin", "a page of another origin may not do this").Write(c.Writer)
			c.Abort()
		}
	}
}

// bound limits what a request may send and how long it may take, and refuses what Postgres cannot hold: a zero byte, and
// what is not UTF-8. Streams lift the limit of time for themselves.
func bound(c *gin.Context) {
	query, err := url.QueryUnescape(c.Request.URL.RawQuery)
	if address := c.Request.URL.Path + query; err == nil && (strings.ContainsRune(address, 0) || !utf8.ValidString(address)) {
		problem.New(c.Request.Context(), http.StatusBadRequest, "invalid_request", "the address holds a zero byte, or is not UTF-8").Write(c.Writer)
		c.Abort()
		return
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, MaxBodyBytes)
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer can
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ezscale_api_requests_total", Help: "Requests answered, by route template."}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ezscale_api_request_seconds", Help: "Time to answer, by route template.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"method", "route"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{Name: "ezscale_api_panics_total", Help: "Handlers that panicked."}),
	}
	reg.MustRegister(m.requests, m.seconds, m.panics)
	return m
}
