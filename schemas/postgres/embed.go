// Package postgres embeds the forward-only goose migrations of the Postgres schema, in the order of their numbers.
package postgres

import "embed"

// Migrations holds the *.sql files of this folder.
//
//go:embed *.sql
var Migrations embed.FS
