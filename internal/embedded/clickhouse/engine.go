package clickhouse

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// serverSettings hold for the whole engine: an acknowledged insert is on the disk, caches are small.
const serverSettings = `<clickhouse>
    <timezone>UTC</timezone>
    <max_server_memory_usage>%d</max_server_memory_usage>
    <mark_cache_size>16777216</mark_cache_size>
    <index_mark_cache_size>4194304</index_mark_cache_size>
    <max_thread_pool_size>256</max_thread_pool_size>
    <max_thread_pool_free_size>8</max_thread_pool_free_size>
    <merge_tree>
        <fsync_after_insert>1</fsync_after_insert>
        <fsync_part_directory>1</fsync_part_directory>
    </merge_tree>
</clickhouse>
`

const insertChunkBytes = 256 << 10

// engine is the library with its data open. A connection of its own serves each statement: making one costs
// half a millisecond, and so no setting, current database or temporary table passes from one to another.
type engine struct {
	library  *library
	path     string
	defaults map[string]string
	root     uintptr // keeps the engine up between statements
}

// outcome of a statement: its output in the asked format.
type outcome struct {
	data                  []byte
	readRows, writtenRows uint64
}

// statement is what a client asks for.
type statement struct {
	sql      string
	format   string            // of the output, or of an insert's data
	database string            // empty: default
	settings map[string]string // names are checked
	values   map[string]string // of the {name:Type} places
}

func openEngine(cfg Config) (*engine, error) {
	library, err := load(cfg.Library)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(cfg.Dir, "config.xml")
	if err := os.WriteFile(config, fmt.Appendf(nil, serverSettings, cfg.MemoryBytes), 0o600); err != nil {
		return nil, fmt.Errorf("write the ClickHouse configuration: %w", err)
	}
	e := &engine{library: library, path: "--path=" + filepath.Join(cfg.Dir, "data"), defaults: map[string]string{
		"async_insert": "0", "max_execution_time": strconv.Itoa(int(cfg.QueryTime.Seconds())),
		"max_memory_usage": strconv.FormatInt(cfg.MemoryBytes/2, 10),
	}}
	e.root, err = library.open([]string{"clickhouse", e.path, "--config-file=" + config})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (e *engine) close() { e.library.close(e.root) }

// query runs a statement whose whole text is in sql.
func (e *engine) query(s statement) (o outcome, err error) {
	err = e.session(s, func(connection uintptr) error {
		o, err = e.library.take(call(e.library.query, connection, s.sql, s.format, s.values))
		return err
	})
	return o, err
}

// insert streams data into an INSERT without its data and FORMAT clause. A failing reader inserts nothing
// more; like any ClickHouse, the engine keeps the blocks that were complete before.
func (e *engine) insert(s statement, data io.Reader) (o outcome, err error) {
	err = e.session(s, func(connection uintptr) error {
		stream := call(e.library.insert, connection, s.sql, s.format, s.values)
		defer e.library.insertDestroy(stream)
		if said := e.library.insertError(stream); said != "" {
			return newException(said)
		}
		if err := e.feed(stream, data); err != nil {
			e.library.insertCancel(stream)
			return err
		}
		o, err = e.library.take(e.library.insertDone(stream))
		return err
	})
	return o, err
}

func (e *engine) feed(stream uintptr, data io.Reader) error {
	chunk := make([]byte, insertChunkBytes)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&chunk[0])
	for {
		n, err := data.Read(chunk)
		if n > 0 && e.library.insertAppend(stream, first(chunk), uintptr(n)) != 0 {
			return newException(e.library.insertError(stream))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the data to insert: %w", err)
		}
	}
}

// session gives f a connection with the statement's database and settings. The engine keeps state by thread.
func (e *engine) session(s statement, f func(connection uintptr) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	connection, err := e.library.open([]string{"clickhouse", e.path})
	if err != nil {
		return err
	}
	defer e.library.close(connection)
	for _, sql := range e.preamble(s) {
		if _, err := e.library.take(call(e.library.query, connection, sql, "Null", nil)); err != nil {
			return err
		}
	}
	return f(connection)
}

func (e *engine) preamble(s statement) []string {
	settings := maps.Clone(e.defaults)
	maps.Copy(settings, s.settings)
	terms := make([]string, 0, len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		terms = append(terms, name+" = "+quote(settings[name], '\''))
	}
	sql := []string{"SET " + strings.Join(terms, ", ")}
	if s.database != "" && s.database != "default" {
		sql = append(sql, "USE "+quote(s.database, '`'))
	}
	return sql
}

func quote(s string, by byte) string {
	q := string(by)
	return q + strings.NewReplacer(`\`, `\\`, q, `\`+q).Replace(s) + q
}
