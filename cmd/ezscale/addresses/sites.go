package addresses

import (
	"errors"
	"fmt"
	"net"

	"github.com/ezscale/platform/internal/config"
)

// NameSites sets where HTTP is served, and names the sites after the port unless the environment has names for them. A
// port that any will do for (0) is chosen here, because mails link to the sites.
func NameSites(flag string, getenv func(string) string, cfg *config.Config) error {
	host, port, err := net.SplitHostPort(flag)
	if err != nil {
		return fmt.Errorf("--http wants host:port: %w", err)
	}
	if port == "0" {
		if port, err = freePort(host); err != nil {
			return fmt.Errorf("--http: %w", err)
		}
	}
	cfg.HTTP = net.JoinHostPort(host, port)
	if getenv("EZSCALE_ACCOUNT_URL") == "" {
		cfg.AccountURL = "http://account.localhost:" + port
	}
	if getenv("EZSCALE_ADMIN_URL") == "" {
		cfg.AdminURL = "http://admin.localhost:" + port
	}
	return nil
}

// freePort gives a TCP port of a host that nobody listens on now.
func freePort(host string) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
