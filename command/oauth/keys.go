package oauth

import (
	"context"
	"encoding/json"
	"time"
)

// Key is a key of ID tokens, whose private part is sealed.
type Key struct {
	KID       string
	Site      string
	Sealed    []byte
	Public    json.RawMessage // a JWK
	SignsFrom time.Time
	At        time.Time
}

const (
	lockKeys   = `select pg_advisory_xact_lock(hashtextextended('oauth_key ' || $1, 0))`
	insertKey  = `insert into oauth_key (kid, site, sealed, public, signs_from, created_at) values ($1, $2, $3, $4, $5, $6)`
	deleteKeys = `delete from oauth_key where kid = any ($1)`
)

// LockKeys makes a transaction the only one that turns a site's keys.
func LockKeys(ctx context.Context, tx Door, site string) error {
	_, err := tx.Exec(ctx, lockKeys, site)
	return wrap("lock the keys", err)
}

// PutKey writes a key down.
func PutKey(ctx context.Context, tx Door, k Key) error {
	_, err := tx.Exec(ctx, insertKey, k.KID, k.Site, k.Sealed, k.Public, k.SignsFrom, k.At)
	return wrap("insert a key", err)
}

// DeleteKeys deletes keys.
func DeleteKeys(ctx context.Context, tx Door, kids []string) error {
	_, err := tx.Exec(ctx, deleteKeys, kids)
	return wrap("delete keys", err)
}
