// Package house keeps the house in order by tests alone: who may import whom (docs/architecture.md draws the
// same table), how long a function, a file and a package may grow, that every package says what it is for, that
// nothing keeps state outside a value, and that every command says what it changed. depguard holds the coarse part of
// the table in the editor too.
package house
