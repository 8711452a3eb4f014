// Package config is the settings of a process, read once from the environment at start: nothing deeper in the
// house looks at it. Every setting has a default that is right for one machine, except where the data lives.
// `ezscale settings` lists them for operators; Describe is its source.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ezscale/platform/internal/secret"
)

// Mode says whether this is a machine where people may play.
type Mode string

const (
	Production  Mode = "production"  // no development login, no clock but the real one
	Development Mode = "development" // both, on one machine
)

// Config is everything a role may need. Addresses are host:port.
type Config struct {
	Mode              Mode
	LogLevel          string
	LogFormat         string
	HTTP              string // the API and the pages
	Metrics           string // /metrics and /health of a role
	AccountURL        string // where customers reach their site; mails to them link there
	AdminURL          string // where staff reach theirs, by another host name
	Brand             string
	Postgres          string // owner DSN: migrations, commands
	Query             string // DSN of the read side; the same server by default
	Kafka             []string
	KafkaReplication  int // of topics that are made
	ClickHouse        string
	Token             string // operator token of the API; empty: none is accepted
	Access            Access
	Proxies           []netip.Prefix // whose word about where a request came from counts
	Collector         Collector
	Meter             Meter
	Mail              Mail
	Discord           string        // webhook URL for staff alerts; a secret
	Sweep             time.Duration // how often due cycles are looked for
	AuditKey          string        // file with the key that signs the audit log; empty: one below DataDir, made when missing
	SecretKey         string        // URI of the key that wraps the ring of secrets; empty: a file below DataDir
	SecretKeyOld      []string      // URIs of keys that wrapped it before
	Vault             Vault         // keeps keys that SecretKey names
	BreachedPasswords string        // file of passwords that nobody may choose; empty: only the common ones that are built in
	DataDir           string        // spool and caches of this process
}

// Collector holds the UDP side's settings.
type Collector struct {
	Listen        []string // for sFlow
	ListenNetFlow []string // for NetFlow and IPFIX
	Sockets       int
	ReceiveBuffer int // bytes asked of the kernel, per socket
	RawRetention  time.Duration
	KeepsRaw      bool // RawRetention was set, and is not the default
}

// Meter holds the meter's settings.
type Meter struct {
	Decoder string // builtin or goflow2
	Flush   time.Duration
}

// Access is Cloudflare Access before the admin site. The zero value: nothing is before it.
type Access struct {
	Team     string   // https://<team>.cloudflareaccess.com
	Audience []string // AUD tags of the applications
}

// Mail is the SMTP server that notices go through.
type Mail struct {
	SMTP     string // smtp://user:password@host:port or smtps://…; empty: notices are not mailed
	From     string
	Insecure bool // no TLS; for a mailbox on this machine
}

// Vault is how HashiCorp Vault lets us in, where it keeps a key.
type Vault struct {
	Token     secret.Text
	TokenFile string // read instead, each time
	CA        string // PEM file; empty: the system's
	Namespace string
}

// Setting describes one environment variable for people.
type Setting struct{ Name, Default, Meaning string }

// Describe lists every setting, in the order of the manual.
func Describe() []Setting {
	return []Setting{
		{"EZSCALE_MODE", "production", "production, or development (development login and clock)"},
		{"EZSCALE_LOG_LEVEL", "info", "debug, info, warn, error"},
		{"EZSCALE_LOG_FORMAT", "json", "json, or text for a terminal"},
		{"EZSCALE_HTTP", "127.0.0.1:8080", "address of the API and the pages"},
		{"EZSCALE_METRICS", "127.0.0.1:0", "address of /metrics and /health of each role, for whoever watches them; port 0 takes a free one and logs it"},
		{"EZSCALE_ACCOUNT_URL", "http://account.localhost:8080", "where customers reach their site; mails to them link there"},
		{"EZSCALE_ADMIN_URL", "http://admin.localhost:8080", "where staff reach theirs: another host name, the same address and port"},
		{"EZSCALE_BRAND", "ezscale", "name of the hosting company on pages and in mails"},
		{"EZSCALE_POSTGRES", "", "DSN of Postgres 18 (owner of the database)"},
		{"EZSCALE_POSTGRES_QUERY", "EZSCALE_POSTGRES", "DSN of the read side, for instance a replica"},
		{"EZSCALE_KAFKA", "", "brokers, comma separated"},
		{"EZSCALE_KAFKA_REPLICATION", "1", "replicas of the topics that are made; 3 on a cluster"},
		{"EZSCALE_CLICKHOUSE", "", "DSN, http://user:password@host:8123/database or clickhouse://…:9000/…"},
		{"EZSCALE_TOKEN", "", "operator token for the API and the command line (at least 32 characters)"},
		{"EZSCALE_ACCESS_TEAM", "", "https://TEAM.cloudflareaccess.com: the admin site is reached through Cloudflare Access alone; empty: it has no such gate"},
		{"EZSCALE_ACCESS_AUDIENCE", "", "AUD tags of its Access applications, 64 hex digits each, comma separated"},
		{"EZSCALE_TRUSTED_PROXIES", "", "networks of proxies and tunnels in front of the API, comma separated, as 127.0.0.1/32: what they say about a client's address counts"},
		{"EZSCALE_SFLOW", "0.0.0.0:6343", "UDP addresses for sFlow, comma separated; off: none"},
		{"EZSCALE_NETFLOW", "0.0.0.0:2055,0.0.0.0:4739", "UDP addresses for NetFlow v5, v9 and IPFIX, comma separated; off: none"},
		{"EZSCALE_SFLOW_SOCKETS", "0", "sockets per address; 0 chooses by the cores"},
		{"EZSCALE_SFLOW_BUFFER", "33554432", "socket buffer to ask for, bytes"},
		{"EZSCALE_RAW_RETENTION", "168h", "how long raw datagrams stay in Kafka, and usage can be metered anew; applied by migrate, up and, where it is set, the collector"},
		{"EZSCALE_SFLOW_DECODER", "builtin", "builtin, or goflow2 for comparison"},
		{"EZSCALE_METER_FLUSH", "1s", "how often the meter writes its counters"},
		{"EZSCALE_SMTP", "", "smtp://[user:password@]host:port or smtps://…; empty: no mail is sent"},
		{"EZSCALE_SMTP_INSECURE", "false", "true allows SMTP without TLS"},
		{"EZSCALE_MAIL_FROM", "billing@localhost", "sender of mails"},
		{"EZSCALE_DISCORD_WEBHOOK", "", "webhook URL for staff alerts (secret)"},
		{"EZSCALE_SWEEP", "15s", "how often ended billing cycles are looked for"},
		{"EZSCALE_AUDIT_KEY", "", "PEM file with the Ed25519 key that signs the audit log; empty: secrets/audit-key.pem below EZSCALE_DATA, made at the first start of jobs"},
		{"EZSCALE_SECRET_KEY", "", "key that everything secret in the database hangs on: file:PATH or env:NAME, 32 bytes in base64, or hcvault://HOST:PORT/MOUNT/keys/NAME in Vault or OpenBao; empty: file secrets/secret-key below EZSCALE_DATA, made by up or `ezscale secrets init`"},
		{"EZSCALE_SECRET_KEY_OLD", "", "keys that EZSCALE_SECRET_KEY takes the place of, comma separated; see `ezscale secrets rewrap`"},
		{"EZSCALE_VAULT_TOKEN", "", "token for Vault, where a key is hcvault:// (secret)"},
		{"EZSCALE_VAULT_TOKEN_FILE", "", "file with that token, read each time, as an agent that renews it writes; instead of EZSCALE_VAULT_TOKEN"},
		{"EZSCALE_VAULT_CA", "", "PEM file with the certificates of who vouches for Vault; empty: the system's"},
		{"EZSCALE_VAULT_NAMESPACE", "", "namespace of Vault Enterprise or OpenBao"},
		{"EZSCALE_BREACHED_PASSWORDS", "", "file of breached passwords, SHA1:COUNT sorted by hash as haveibeenpwned gives it; empty: the common ones that are built in"},
		{"EZSCALE_DATA", "./var", "directory for spools and caches"},
	}
}

// Load reads the settings through getenv (os.Getenv) and tells all faults at once.
func Load(getenv func(string) string) (Config, error) {
	r := reader{getenv: getenv, defaults: map[string]string{}}
	for _, s := range Describe() {
		r.defaults[s.Name] = s.Default
	}
	c := Config{
		Mode: Mode(r.text("EZSCALE_MODE")), LogLevel: r.text("EZSCALE_LOG_LEVEL"), LogFormat: r.text("EZSCALE_LOG_FORMAT"),
		HTTP: r.address("EZSCALE_HTTP"), Metrics: r.address("EZSCALE_METRICS"), AccountURL: r.url("EZSCALE_ACCOUNT_URL"), AdminURL: r.url("EZSCALE_ADMIN_URL"), Brand: r.text("EZSCALE_BRAND"),
		Postgres: r.text("EZSCALE_POSTGRES"), Query: r.get("EZSCALE_POSTGRES_QUERY"), Kafka: r.list("EZSCALE_KAFKA"), KafkaReplication: r.number("EZSCALE_KAFKA_REPLICATION", 1, 9), ClickHouse: r.text("EZSCALE_CLICKHOUSE"),
		Token:  r.token("EZSCALE_TOKEN"),
		Access: Access{Team: r.url("EZSCALE_ACCESS_TEAM"), Audience: r.words("EZSCALE_ACCESS_AUDIENCE")}, Proxies: r.networks("EZSCALE_TRUSTED_PROXIES"),
		Collector: Collector{Listen: r.listen("EZSCALE_SFLOW"), ListenNetFlow: r.listen("EZSCALE_NETFLOW"), Sockets: r.number("EZSCALE_SFLOW_SOCKETS", 0, 64),
			ReceiveBuffer: r.number("EZSCALE_SFLOW_BUFFER", 1<<16, 1<<30), RawRetention: r.duration("EZSCALE_RAW_RETENTION", time.Hour),
			KeepsRaw: r.get("EZSCALE_RAW_RETENTION") != ""},
		Meter:   Meter{Decoder: r.text("EZSCALE_SFLOW_DECODER"), Flush: r.duration("EZSCALE_METER_FLUSH", 100*time.Millisecond)},
		Mail:    Mail{SMTP: r.url("EZSCALE_SMTP"), From: r.text("EZSCALE_MAIL_FROM"), Insecure: r.flag("EZSCALE_SMTP_INSECURE")},
		Discord: r.url("EZSCALE_DISCORD_WEBHOOK"), Sweep: r.duration("EZSCALE_SWEEP", time.Second), DataDir: r.text("EZSCALE_DATA"),
		AuditKey: r.text("EZSCALE_AUDIT_KEY"), BreachedPasswords: r.text("EZSCALE_BREACHED_PASSWORDS"), SecretKey: r.get("EZSCALE_SECRET_KEY"), SecretKeyOld: r.keys("EZSCALE_SECRET_KEY_OLD"),
		Vault: Vault{Token: secret.New(r.get("EZSCALE_VAULT_TOKEN")), TokenFile: r.get("EZSCALE_VAULT_TOKEN_FILE"), CA: r.get("EZSCALE_VAULT_CA"), Namespace: r.get("EZSCALE_VAULT_NAMESPACE")},
	}
	if c.Query == "" || c.Query == "EZSCALE_POSTGRES" {
		c.Query = c.Postgres
	}
	r.check(c.Mode == Production || c.Mode == Development, "EZSCALE_MODE", "%q is neither production nor development", c.Mode)
	r.check(c.Meter.Decoder == "builtin" || c.Meter.Decoder == "goflow2", "EZSCALE_SFLOW_DECODER", "%q is neither builtin nor goflow2", c.Meter.Decoder)
	r.check((c.Access.Team == "") == (len(c.Access.Audience) == 0), "EZSCALE_ACCESS_TEAM", "and EZSCALE_ACCESS_AUDIENCE go together: set both or neither")
	r.checkKey("EZSCALE_SECRET_KEY", c.SecretKey)
	r.check(c.Vault.Token.IsZero() || c.Vault.TokenFile == "", "EZSCALE_VAULT_TOKEN", "and EZSCALE_VAULT_TOKEN_FILE are both set: one of them holds the token")
	return c, errors.Join(r.faults...)
}

// Require tells which of the named settings a role needs and does not have.
func (c Config) Require(names ...string) error {
	have := map[string]bool{"EZSCALE_POSTGRES": c.Postgres != "", "EZSCALE_KAFKA": len(c.Kafka) > 0, "EZSCALE_CLICKHOUSE": c.ClickHouse != ""}
	var missing []string
	for _, name := range names {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("set %s, or run `ezscale up`, which brings its own servers", strings.Join(missing, ", "))
	}
	return nil
}

type reader struct {
	getenv   func(string) string
	defaults map[string]string
	faults   []error
}

func (r *reader) get(name string) string { return strings.TrimSpace(r.getenv(name)) }

func (r *reader) text(name string) string {
	if v := r.get(name); v != "" {
		return v
	}
	return r.defaults[name]
}

func (r *reader) check(ok bool, name, format string, args ...any) {
	if !ok {
		r.faults = append(r.faults, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
}

func (r *reader) list(name string) []string {
	all, err := Addresses(r.text(name))
	r.check(err == nil, name, "%v", err)
	return all
}

// listen reads addresses that a role may do without.
func (r *reader) listen(name string) []string {
	all, err := ListenAddresses(r.text(name))
	r.check(err == nil, name, "%v", err)
	return all
}

// ListenAddresses reads a list of addresses, or the word "off" for none.
func ListenAddresses(text string) ([]string, error) {
	if strings.TrimSpace(text) == "off" {
		return nil, nil
	}
	return Addresses(text)
}

// Addresses reads host:port, comma separated.
func Addresses(text string) ([]string, error) {
	var all []string
	for v := range strings.SplitSeq(text, ",") {
		if v = strings.TrimSpace(v); v != "" {
			if _, _, err := net.SplitHostPort(v); err != nil {
				return nil, fmt.Errorf("%q is not host:port: %w", v, err)
			}
			all = append(all, v)
		}
	}
	return all, nil
}

func (r *reader) address(name string) string {
	v := r.text(name)
	_, _, err := net.SplitHostPort(v)
	r.check(err == nil, name, "%q is not host:port", v)
	return v
}

// url never repeats the value: it may hold a password.
func (r *reader) url(name string) string {
	v := r.text(name)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	r.check(err == nil && u.Host != "", name, "is not a URL")
	return strings.TrimSuffix(v, "/")
}

// words reads a list of anything.
func (r *reader) words(name string) []string {
	var all []string
	for word := range strings.SplitSeq(r.get(name), ",") {
		if word = strings.TrimSpace(word); word != "" {
			all = append(all, word)
		}
	}
	return all
}

// networks reads prefixes, and addresses as the prefixes that hold them alone. One of everybody would let everybody lie.
func (r *reader) networks(name string) []netip.Prefix {
	var all []netip.Prefix
	for _, word := range r.words(name) {
		p, err := netip.ParsePrefix(word)
		if addr, alone := netip.ParseAddr(word); alone == nil && addr.Zone() == "" {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		r.check(err == nil && p.Bits() > 0 && !p.Addr().Is4In6() && p.Addr().Zone() == "", name, "%q is not a network such as 10.0.0.0/8 or 2001:db8::/32", word)
		all = append(all, p.Masked())
	}
	return all
}

// keys reads URIs of keys.
func (r *reader) keys(name string) []string {
	all := r.words(name)
	for _, uri := range all {
		r.checkKey(name, uri)
	}
	return all
}

// checkKey never repeats the value: somebody may have put the key itself there.
func (r *reader) checkKey(name, uri string) {
	scheme, rest, _ := strings.Cut(uri, ":")
	local := (scheme == "file" || scheme == "env") && rest != ""
	r.check(uri == "" || local || isVaultKey(uri), name, "names a key, as file:PATH, env:NAME or hcvault://HOST:PORT/MOUNT/keys/NAME (without user or query); it does not hold it")
}

// isVaultKey looks at the form alone; what opens the key reads it in full.
func isVaultKey(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "hcvault" || u.Scheme == "hcvault+http") && u.Host != "" && u.User == nil && u.RawQuery == "" && strings.Contains(u.Path, "/keys/")
}

func (r *reader) token(name string) string {
	v := r.text(name)
	r.check(v == "" || len(v) >= 32, name, "is shorter than 32 characters")
	return v
}

func (r *reader) number(name string, low, high int) int {
	n, err := strconv.Atoi(r.text(name))
	r.check(err == nil && n >= low && n <= high, name, "%q is not a number from %d to %d", r.text(name), low, high)
	return n
}

func (r *reader) flag(name string) bool {
	b, err := strconv.ParseBool(r.text(name))
	r.check(err == nil, name, "%q is neither true nor false", r.text(name))
	return b
}

func (r *reader) duration(name string, low time.Duration) time.Duration {
	d, err := time.ParseDuration(r.text(name))
	r.check(err == nil && d >= low, name, "%q is not a duration of %s or more", r.text(name), low)
	return d
}
