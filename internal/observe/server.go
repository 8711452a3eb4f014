package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server serves /metrics and /health of a role, on an address that only those reach who watch it.
type Server struct {
	addr   string
	log    *slog.Logger
	server *http.Server
	listen net.Listener
}

// NewServer serves on addr ("127.0.0.1:0" takes a free port).
func NewServer(addr string, registry *prometheus.Registry, health *Health, log *slog.Logger) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", MetricsHandler(registry))
	mux.Handle("GET /health/live", LiveHandler())
	mux.Handle("GET /health/ready", health.ReadyHandler())
	return &Server{addr: addr, log: log, server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
	}}
}

// MetricsHandler serves the registry in Prometheus' formats.
func MetricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Start listens and serves in the background.
func (s *Server) Start(ctx context.Context) error {
	var config net.ListenConfig
	listen, err := config.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen for metrics and health on %s: %w", s.addr, err)
	}
	s.listen = listen
	s.log.Info("serving metrics and health", "address", listen.Addr().String())
	go func() {
		if err := s.server.Serve(listen); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics server ended", "error", err)
		}
	}()
	return nil
}

// Addr is the bound address, once started.
func (s *Server) Addr() string { return s.listen.Addr().String() }

// Stop closes the server, waiting for requests under way until ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	if s.listen == nil {
		return nil
	}
	if err := s.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop metrics server: %w", err)
	}
	return nil
}
