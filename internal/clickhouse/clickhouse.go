// Package clickhouse opens connections to ClickHouse and brings its schema up to date. The same code and the
// same SQL run on the embedded engine (http://) and on a server (http://, https:// or clickhouse://).
//
// A read model is made of absolute rows that may be written again at any time. That works only where an
// insert is done when it is acknowledged, and where the server drops no block because it has seen an equal
// one before. Defaults for both have changed between versions, so every connection sets them, and Open asks
// the server whether it obeys before anybody writes.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// What waiting does not mend.
var (
	ErrDSN      = errors.New("the ClickHouse DSN cannot be read")
	ErrSettings = errors.New("the ClickHouse server does not hold to our settings") // which correct writing needs
)

const (
	defaultMaxConns = 8
	dialTimeout     = 10 * time.Second
	readTimeout     = 5 * time.Minute
	connLifetime    = 30 * time.Minute
	queryTime       = 120 // seconds
)

// Config names a database and how to use it.
type Config struct {
	DSN      string // http://user:password@host:port/database, or clickhouse:// for the native protocol
	MaxConns int    // default 8
}

// Open makes a pool, proves that the server answers and that it holds to our settings. The error never holds
// the password.
func Open(ctx context.Context, cfg Config) (driver.Conn, error) {
	options, err := cfg.options()
	if err != nil {
		return nil, err
	}
	settings, err := known(ctx, *options)
	if err != nil {
		return nil, err
	}
	maps.Copy(options.Settings, settings)
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("make a ClickHouse pool: %w", err)
	}
	if err := check(ctx, conn, settings); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func (c Config) options() (*clickhouse.Options, error) {
	options, err := clickhouse.ParseDSN(c.DSN)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDSN, err)
	}
	options.MaxOpenConns = defaultMaxConns
	if c.MaxConns > 0 {
		options.MaxOpenConns = c.MaxConns
	}
	options.MaxIdleConns = options.MaxOpenConns
	options.ConnMaxLifetime = connLifetime
	options.DialTimeout = dialTimeout
	options.ReadTimeout = readTimeout
	if options.Settings == nil {
		options.Settings = clickhouse.Settings{}
	}
	options.Settings["max_execution_time"] = queryTime
	options.Settings["async_insert"] = 0
	return options, nil
}

// wanted are the settings that must hold where the server knows them; the last two came with newer versions
// and go before the others there.
func wanted() map[string]string {
	return map[string]string{
		"async_insert":             "0",
		"async_insert_deduplicate": "0",
		"insert_deduplicate":       "0",
		"deduplicate_blocks_in_dependent_materialized_views": "0",
		"deduplicate_insert":        "disable",
		"deduplicate_insert_select": "disable",
	}
}

// known returns those of the wanted settings that the server has; async_insert must be among them.
func known(ctx context.Context, options clickhouse.Options) (clickhouse.Settings, error) {
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return nil, fmt.Errorf("make a ClickHouse pool: %w", err)
	}
	defer conn.Close()
	found, err := values(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("reach ClickHouse: %w", err)
	}
	settings := clickhouse.Settings{}
	for name, value := range wanted() {
		if _, ok := found[name]; ok {
			settings[name] = value
		}
	}
	if _, ok := settings["async_insert"]; !ok {
		return nil, fmt.Errorf("%w: it has no async_insert", ErrSettings)
	}
	return settings, nil
}

func check(ctx context.Context, conn driver.Conn, settings clickhouse.Settings) error {
	found, err := values(ctx, conn)
	if err != nil {
		return fmt.Errorf("ask ClickHouse for its settings: %w", err)
	}
	for name, want := range settings {
		if found[name] != want {
			return fmt.Errorf("%w: %s is %q, not %q", ErrSettings, name, found[name], want)
		}
	}
	return nil
}

func values(ctx context.Context, conn driver.Conn) (map[string]string, error) {
	names := slices.Sorted(maps.Keys(wanted()))
	rows, err := conn.Query(ctx, "select name, value from system.settings where name in (?)", names)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]string, len(names))
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		found[name] = value
	}
	return found, rows.Err()
}
