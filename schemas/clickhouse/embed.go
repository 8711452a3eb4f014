// Package clickhouse embeds the forward-only goose migrations of the ClickHouse schema, in the order of their
// numbers. Statements there must say "if not exists": nothing keeps two processes from migrating at once.
package clickhouse

import "embed"

// Migrations holds the *.sql files of this folder.
//
//go:embed *.sql
var Migrations embed.FS
