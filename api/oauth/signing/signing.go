// Package signing holds the keys of ID tokens (ES256), each site its own, private parts sealed in the database.
//
// Nobody turns them by a timer: who signs or shows them sees what is due, makes the next key under a lock, and takes out
// what is long over. A key can be read a week before it signs, so that whoever caches the set has it by then; should nobody
// have looked for weeks, the old one signs on until the next could be read for a week.
package signing

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/api/guard"
	cmd "github.com/ezscale/platform/command/oauth"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/secret/vault"
	"github.com/ezscale/platform/query"
	"github.com/ezscale/platform/query/access"
)

// How long a key signs, and how long it can be read before and after.
const (
	signsFor  = 30 * 24 * time.Hour
	readAhead = 7 * 24 * time.Hour
	readAfter = 7 * 24 * time.Hour

	// Algorithm is the one that ID tokens are signed by (RFC 7518).
	Algorithm = "ES256"
)

// Keys are both sites' keys.
type Keys struct {
	door  Door
	vault *vault.Vault
	now   func() time.Time
	log   *slog.Logger
}

// Door is a pool with the role of the door.
type Door interface {
	query.Postgres
	Begin(ctx context.Context) (pgx.Tx, error)
}

// New makes the keys' holder; now is the machine's clock. It makes no key: the first request does.
func New(door Door, sealed *vault.Vault, now func() time.Time, log *slog.Logger) *Keys {
	return &Keys{door: door, vault: sealed, now: now, log: log}
}

// sealedKeys is where the private parts lie; a row is a key's id.
func sealedKeys() vault.Column {
	return vault.Column{Table: "oauth_key", Name: "sealed", Key: "kid"}
}

// Of gives a site's keys that may be read now, the oldest first, and that which signs.
func (k *Keys) Of(ctx context.Context, site guard.Site) (read []access.OAuthKey, signs access.OAuthKey, err error) {
	list, err := access.ListOAuthKeys(ctx, k.door, string(site))
	if err != nil {
		return nil, signs, err
	}
	now := k.now()
	if _, due := nextKey(list, now); due {
		if list, err = k.turn(ctx, site, now); err != nil {
			return nil, signs, err
		}
	}
	at := signing(list, now)
	if at < 0 {
		return nil, signs, fmt.Errorf("no key of the %s site signs", site)
	}
	return list[firstRead(list, now):], list[at], nil
}

// signing is the place of the key that signs: the last whose time has come; -1 without one.
func signing(list []access.OAuthKey, now time.Time) int {
	for i := len(list) - 1; i >= 0; i-- {
		if !list[i].SignsFrom.After(now) {
			return i
		}
	}
	return -1
}

// firstRead is the place of the first key whose successor has not signed for so long that nothing of it can be valid.
func firstRead(list []access.OAuthKey, now time.Time) int {
	for i := range list {
		if i+1 == len(list) || list[i+1].SignsFrom.Add(readAfter).After(now) {
			return i
		}
	}
	return 0
}

// nextKey tells whether a key has to be made, and from when on it signs.
func nextKey(list []access.OAuthKey, now time.Time) (time.Time, bool) {
	if signing(list, now) < 0 {
		return now, true
	}
	turns := list[len(list)-1].SignsFrom.Add(signsFor)
	if now.Before(turns.Add(-readAhead)) {
		return time.Time{}, false
	}
	if soonest := now.Add(readAhead); turns.Before(soonest) {
		turns = soonest
	}
	return turns, true
}

// turn makes the next key, unless another process just has.
func (k *Keys) turn(ctx context.Context, site guard.Site, now time.Time) ([]access.OAuthKey, error) {
	tx, err := k.door.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := cmd.LockKeys(ctx, tx, string(site)); err != nil {
		return nil, err
	}
	list, err := access.ListOAuthKeys(ctx, tx, string(site))
	if err != nil {
		return nil, err
	}
	from, due := nextKey(list, now)
	if !due {
		return list, nil
	}
	made, err := k.insert(ctx, tx, site, from, now)
	if err != nil {
		return nil, err
	}
	list = append(list, made)
	over := firstRead(list, now)
	gone := make([]string, over)
	for i, key := range list[:over] {
		gone[i] = key.KID
	}
	if err := cmd.DeleteKeys(ctx, tx, gone); err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	k.log.InfoContext(ctx, "made a key of ID tokens", "site", string(site), "kid", made.KID, "signs_from", from, "removed", over)
	return slices.Clone(list[over:]), nil
}

func (k *Keys) insert(ctx context.Context, tx pgx.Tx, site guard.Site, from, now time.Time) (access.OAuthKey, error) {
	made := access.OAuthKey{KID: uuid.NewString(), SignsFrom: from}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, fmt.Errorf("make a key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: made.KID, Algorithm: Algorithm, Use: "sig"}
	whole, err := json.Marshal(key)
	if err != nil {
		return made, fmt.Errorf("write a key: %w", err)
	}
	if made.Public, err = json.Marshal(key.Public()); err != nil {
		return made, fmt.Errorf("write a key: %w", err)
	}
	if made.Sealed, err = k.vault.Seal(ctx, secret.New(string(whole)), sealedKeys().At(made.KID)); err != nil {
		return made, err
	}
	return made, cmd.PutKey(ctx, tx, cmd.Key{KID: made.KID, Site: string(site), Sealed: made.Sealed, Public: made.Public, SignsFrom: from, At: now})
}

// Sign makes a JWS of claims by the site's key.
func (k *Keys) Sign(ctx context.Context, site guard.Site, claims any) (string, error) {
	_, signs, err := k.Of(ctx, site)
	if err != nil {
		return "", err
	}
	whole, err := k.vault.Open(ctx, signs.Sealed, sealedKeys().At(signs.KID))
	if err != nil {
		return "", err
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal([]byte(whole.Reveal()), &key); err != nil {
		return "", fmt.Errorf("read key %s", signs.KID) // the reason could quote it
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign by %s: %w", signs.KID, err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("sign by %s: %w", signs.KID, err)
	}
	return signed.CompactSerialize()
}
