package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ezscale/platform/internal/config"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestDefaultsAreValidAndSafe(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.Mode != config.Production || c.Meter.Flush != time.Second || c.Collector.ReceiveBuffer != 32<<20 || c.Token != "" {
		t.Errorf("got %+v", c)
	}
	if err := c.Require("EZSCALE_POSTGRES", "EZSCALE_KAFKA"); err == nil || !strings.Contains(err.Error(), "set EZSCALE_POSTGRES, EZSCALE_KAFKA") {
		t.Errorf("got %v", err)
	}
}

func TestAllFaultsAreToldAtOnceAndNoSecretWithThem(t *testing.T) {
	t.Parallel()
	_, err := config.Load(env(map[string]string{
		"EZSCALE_MODE": "staging", "EZSCALE_HTTP": "8080", "EZSCALE_KAFKA": "a:1,b", "EZSCALE_METER_FLUSH": "1ms",
		"EZSCALE_SECRET_KEY": "hunter2", "EZSCALE_SECRET_KEY_OLD": "file:/a,aws-kms:hunter2",
		"EZSCALE_TOKEN": "hunter2", "EZSCALE_DISCORD_WEBHOOK": "hunter2", "EZSCALE_SFLOW_BUFFER": "many",
	}))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`EZSCALE_MODE: "staging"`, `EZSCALE_HTTP: "8080"`, `EZSCALE_KAFKA: "b"`, "EZSCALE_METER_FLUSH", "EZSCALE_TOKEN: is shorter", "EZSCALE_DISCORD_WEBHOOK: is not a URL", "EZSCALE_SECRET_KEY: names a key, as file:PATH", "EZSCALE_SECRET_KEY_OLD: names a key", "EZSCALE_SFLOW_BUFFER"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("a secret is in the message")
	}
}

func TestCollectorsAddresses(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(nil))
	if err != nil || !slices.Equal(c.Collector.Listen, []string{"0.0.0.0:6343"}) || !slices.Equal(c.Collector.ListenNetFlow, []string{"0.0.0.0:2055", "0.0.0.0:4739"}) {
		t.Errorf("%v, %+v", err, c.Collector)
	}
	c, err = config.Load(env(map[string]string{"EZSCALE_NETFLOW": " off", "EZSCALE_SFLOW": "[::1]:1, 127.0.0.1:2"}))
	if err != nil || c.Collector.ListenNetFlow != nil || !slices.Equal(c.Collector.Listen, []string{"[::1]:1", "127.0.0.1:2"}) {
		t.Errorf("%v, %+v", err, c.Collector)
	}
	if _, err = config.Load(env(map[string]string{"EZSCALE_NETFLOW": "2055"})); err == nil || !strings.Contains(err.Error(), `EZSCALE_NETFLOW: "2055" is not host:port`) {
		t.Errorf("%v", err)
	}
}

func TestTheReadSideFollowsThePrimaryUnlessNamed(t *testing.T) {
	t.Parallel()
	c, _ := config.Load(env(map[string]string{"EZSCALE_POSTGRES": "postgres://a/b"}))
	if c.Query != c.Postgres {
		t.Errorf("query goes to %q", c.Query)
	}
	c, _ = config.Load(env(map[string]string{"EZSCALE_POSTGRES": "postgres://a/b", "EZSCALE_POSTGRES_QUERY": "postgres://r/b"}))
	if c.Query != "postgres://r/b" {
		t.Errorf("query goes to %q", c.Query)
	}
}

func TestKeysOfSecrets(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(map[string]string{"EZSCALE_SECRET_KEY": "env:KEY", "EZSCALE_SECRET_KEY_OLD": " file:/a , env:B,"}))
	if err != nil || c.SecretKey != "env:KEY" || !slices.Equal(c.SecretKeyOld, []string{"file:/a", "env:B"}) {
		t.Errorf("%v, %q, %q", err, c.SecretKey, c.SecretKeyOld)
	}
	for uri, want := range map[string]bool{
		"hcvault://vault:8200/transit/keys/ezscale": true, "hcvault+http://127.0.0.1:8200/transit/keys/ezscale": true, "hcvault://vault": false, "hcvault:hunter2": false,
		"hcvault://a:hunter2@vault/transit/keys/ezscale": false, "hcvault://vault/transit/keys/ezscale?token=hunter2": false, "vault://hunter2/transit/keys/ezscale": false,
	} {
		if _, err := config.Load(env(map[string]string{"EZSCALE_SECRET_KEY": uri})); (err == nil) != want || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestVaultsToken(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(map[string]string{"EZSCALE_VAULT_TOKEN": "hvs.hunter2\n", "EZSCALE_VAULT_CA": "/ca.pem", "EZSCALE_VAULT_NAMESPACE": "billing"}))
	if err != nil || c.Vault.Token.Reveal() != "hvs.hunter2" || c.Vault.CA != "/ca.pem" || c.Vault.Namespace != "billing" || strings.Contains(fmt.Sprintf("%+v", c), "hunter2") {
		t.Errorf("%v, %+v", err, c.Vault)
	}
	if _, err := config.Load(env(map[string]string{"EZSCALE_VAULT_TOKEN": "hvs.hunter2", "EZSCALE_VAULT_TOKEN_FILE": "/token"})); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("both: %v", err)
	}
}

func TestTheGateOfTheAdminSite(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(map[string]string{"EZSCALE_ACCESS_TEAM": "https://acme.cloudflareaccess.com/", "EZSCALE_ACCESS_AUDIENCE": "aa, bb,",
		"EZSCALE_TRUSTED_PROXIES": "127.0.0.1, 10.1.2.3/8,2001:db8::/32"}))
	if err != nil || c.Access.Team != "https://acme.cloudflareaccess.com" || !slices.Equal(c.Access.Audience, []string{"aa", "bb"}) {
		t.Errorf("%v, %+v", err, c.Access)
	}
	var networks []string
	for _, p := range c.Proxies {
		networks = append(networks, p.String())
	}
	if got := strings.Join(networks, " "); got != "127.0.0.1/32 10.0.0.0/8 2001:db8::/32" {
		t.Errorf("proxies %s", got)
	}
	for _, wrong := range []map[string]string{{"EZSCALE_ACCESS_TEAM": "https://acme.cloudflareaccess.com"}, {"EZSCALE_ACCESS_AUDIENCE": "aa"},
		{"EZSCALE_TRUSTED_PROXIES": "0.0.0.0/0"}, {"EZSCALE_TRUSTED_PROXIES": "proxy.example.com"}, {"EZSCALE_TRUSTED_PROXIES": "fe80::1%eth0"}, {"EZSCALE_TRUSTED_PROXIES": "::ffff:10.0.0.1/128"}} {
		if _, err := config.Load(env(wrong)); err == nil {
			t.Errorf("%v is accepted", wrong)
		}
	}
}
