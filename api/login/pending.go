package login

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/ephemeral"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// CookieName is the cookie of a sign-in that was begun.
const CookieName = "__Host-login"

const (
	pendingKind = "login.pending"
	pendingLife = 10 * time.Minute
	maxTries    = 5  // of a second factor, for one password
	maxRaces    = 16 // that one try loses against others at once before it gives up
)

// cookie holds the token of what was begun, or ends it.
func cookie(text string) http.Cookie {
	c := http.Cookie{Name: CookieName, Value: text, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(pendingLife / time.Second)}
	if text == "" {
		c.MaxAge = -1
	}
	return c
}

// keyOf finds what a cookie stands for; ok is false for what is no token.
func keyOf(cookie string) (key secret.Hash, ok bool) {
	t, err := token.Parse(token.Session, cookie)
	if err != nil {
		return secret.Hash{}, false
	}
	return t.Hash(), true
}

// pending is somebody who has shown the password and lacks a second factor.
type pending struct {
	Site     guard.Site `json:"site"`
	Person   uuid.UUID  `json:"person"`
	Remember bool       `json:"remember"`
	Tries    int        `json:"tries"`
	Password []byte     `json:"password"` // SHA-256 of the password's hash: another password is not this one
}

// readPending reads what was kept. What is no pending is refused: it was written by another version, or not by us.
func readPending(kept []byte) (pending, error) {
	var p pending
	decoder := json.NewDecoder(bytes.NewReader(kept))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return pending{}, fmt.Errorf("read a pending sign-in: %w", err)
	}
	_, err := decoder.Token()
	known := p.Site == guard.SiteAccount || p.Site == guard.SiteAdmin
	if !errors.Is(err, io.EOF) || !known || p.Person == uuid.Nil || p.Tries < 0 || len(p.Password) != sha256.Size {
		return pending{}, errors.New("read a pending sign-in: it is of no kind")
	}
	return p, nil
}

func (p pending) encode() []byte {
	text, _ := json.Marshal(p) // strings, ints and bytes always marshal
	return text
}

// isOf tells whether the password is still the one that was shown.
func (p pending) isOf(person access.Credentials) bool {
	sum := sha256.Sum256([]byte(person.PasswordHash))
	return person.Status == active && subtle.ConstantTimeCompare(sum[:], p.Password) == 1
}

// wantSecondFactor remembers who has shown the password, and asks for more.
func (d Desk) wantSecondFactor(ctx context.Context, person access.Credentials, remember bool) (*Output, error) {
	sum := sha256.Sum256([]byte(person.PasswordHash))
	p := pending{Site: guard.Site(person.Site), Person: person.PersonID, Remember: remember, Password: sum[:]}
	t := token.New(token.Session)
	if err := d.Proofs.Begun.Put(ctx, pendingKind, t.Hash(), p.encode(), pendingLife); err != nil {
		return nil, err
	}
	begun := cookie(t.Reveal())
	return &Output{SetCookie: []string{begun.String()}, Body: SignIn{Next: "second_factor", Methods: methods(person)}}, nil
}

// begun is a sign-in that is half-way, and the person as of now.
type begun struct {
	pending
	key    secret.Hash
	person access.Credentials
}

// resume finds what a cookie has begun, and reads the person again. It leaves it there; a problem if it is over.
func (d Desk) resume(ctx context.Context, cookie string) (*begun, []byte, error) {
	site, err := guard.NeedSite(ctx)
	if err != nil {
		return nil, nil, err
	}
	key, ok := keyOf(cookie)
	if !ok {
		return nil, nil, over(ctx)
	}
	kept, err := d.Proofs.Begun.Peek(ctx, pendingKind, key)
	if errors.Is(err, ephemeral.ErrGone) {
		return nil, nil, over(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := readPending(kept)
	if err != nil {
		return nil, nil, err
	}
	if p.Site != site {
		return nil, nil, over(ctx)
	}
	person, err := access.FindCredentials(ctx, d.Door, string(site), p.Person.String())
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, nil, err
	}
	if !p.isOf(person) {
		return nil, nil, errors.Join(over(ctx), d.drop(ctx, key))
	}
	return &begun{pending: p, key: key, person: person}, kept, nil
}

// try resumes and counts a try, before anything is compared: of any number at once only five get so far.
func (d Desk) try(ctx context.Context, cookie string) (*begun, error) {
	for range maxRaces {
		b, kept, err := d.resume(ctx, cookie)
		if err != nil {
			return nil, err
		}
		if b.Tries++; b.Tries > maxTries {
			return nil, over(ctx) // it is left to expire: one of the five may be about to take it
		}
		err = d.Proofs.Begun.Update(ctx, pendingKind, b.key, kept, b.encode())
		switch {
		case err == nil:
			return b, nil
		case errors.Is(err, ephemeral.ErrGone):
			return nil, over(ctx)
		case !errors.Is(err, ephemeral.ErrChanged):
			return nil, err
		}
	}
	return nil, fault.New(fault.Conflict, "busy", "this sign-in is tried by others at once; try again")
}

// drop ends what was begun.
func (d Desk) drop(ctx context.Context, key secret.Hash) error {
	_, err := d.Proofs.Begun.Take(ctx, pendingKind, key)
	if errors.Is(err, ephemeral.ErrGone) {
		return nil
	}
	return err
}

// complete lets somebody in who has shown the second factor. What was begun is taken: of two at once one is let in.
func (d Desk) complete(ctx context.Context, b *begun, factor string) (*Output, error) {
	_, err := d.Proofs.Begun.Take(ctx, pendingKind, b.key)
	if errors.Is(err, ephemeral.ErrGone) {
		return nil, over(ctx)
	}
	if err != nil {
		return nil, err
	}
	return d.enter(ctx, b.person, b.Remember, guard.FactorPassword, factor)
}
