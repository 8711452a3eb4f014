// Package postgres opens pools on the platform's database and brings its schema up to date. It is the only
// place that knows how: the code above sees a *pgxpool.Pool and writes SQL.
//
// A pool plays one of the roles that 00005_roles.sql, 00010_audit.sql and 00011_doors.sql make. The login user of the DSN is a
// member of each of them and of RoleCustomer, and the role is a startup parameter, so a statement can never run before it is set. The owner's role
// is for migrations, for dropping partitions and for nothing else.
//
// Every bound is set here rather than left to the server: the size of the pool, the life of a connection
// (with jitter, so that they do not all reconnect at once), the time a statement or an idle transaction may
// take. Times come back in UTC.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrDSN says that the DSN is no address at all, which no waiting mends.
var ErrDSN = errors.New("the Postgres DSN cannot be read")

// Role is what the connections of a pool may do.
type Role string

// The roles of 00005_roles.sql, 00010_audit.sql and 00011_doors.sql.
const (
	RoleOwner   Role = ""                // the login user itself
	RoleCommand Role = "ezscale_command" // decides and writes: commands, policies, jobs, the relay
	RoleQuery   Role = "ezscale_query"   // selects, and nothing else
	RoleMeter   Role = "ezscale_meter"   // writes usage and its own books
	RoleAudit   Role = "ezscale_audit"   // chains and signs the audit log, and orders nothing
	RoleDoor    Role = "ezscale_door"    // counts attempts and keeps what was begun, before anybody has logged in

	// RoleCustomer selects what is the customer's whom the transaction names, as the policies of 00014_row_security.sql
	// have it. No pool plays it: query.Wall takes it for a statement.
	RoleCustomer Role = "ezscale_customer"
)

// Bounds of every pool.
const (
	defaultMaxConns  = 10
	connectTimeout   = 10 * time.Second
	maxConnLifetime  = 30 * time.Minute
	lifetimeJitter   = 5 * time.Minute
	maxConnIdle      = 5 * time.Minute
	statementTimeout = 60 * time.Second
	idleInTxTimeout  = 60 * time.Second
)

// Config names a database and how to use it.
type Config struct {
	DSN             string        // postgres:// URL or key=value pairs
	Role            Role          // default RoleOwner
	MaxConns        int32         // default 10
	ApplicationName string        // as pg_stat_activity shows it; default "ezscale"
	StatementTime   time.Duration // longest statement; default 60 s
}

// Open makes a pool and proves with one connection that the server answers and the role may be taken.
// The error never holds the password.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	poolConfig, err := cfg.pool()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("make a Postgres pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach Postgres as role %q: %w", cfg.Role, err)
	}
	return pool, nil
}

func (c Config) pool() (*pgxpool.Config, error) {
	p, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDSN, err)
	}
	p.MaxConns = defaultMaxConns
	if c.MaxConns > 0 {
		p.MaxConns = c.MaxConns
	}
	p.MaxConnLifetime = maxConnLifetime
	p.MaxConnLifetimeJitter = lifetimeJitter
	p.MaxConnIdleTime = maxConnIdle
	p.ConnConfig.ConnectTimeout = connectTimeout
	c.parameters(p.ConnConfig.RuntimeParams)
	return p, nil
}

func (c Config) parameters(to map[string]string) {
	to["application_name"] = "ezscale"
	if c.ApplicationName != "" {
		to["application_name"] = c.ApplicationName
	}
	if c.Role != RoleOwner {
		to["role"] = string(c.Role)
	}
	statement := statementTimeout
	if c.StatementTime > 0 {
		statement = c.StatementTime
	}
	to["timezone"] = "UTC"
	to["statement_timeout"] = milliseconds(statement)
	to["idle_in_transaction_session_timeout"] = milliseconds(idleInTxTimeout)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
