package api_test

import (
	"testing"
)

// Whoever is told that their address is to change, and sets a new password as the mail advises, has ended the change.
func TestANewPasswordEndsAChangeOfAddress(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	owner, thief := e.newcomer("ada@example.com"), e.signedIn("ada@example.com", passphrase)
	e.want(202, "", "POST", "/me/email", `{"email":"thief@new.example"}`, thief)
	link := e.mailed("verify_email", "thief@new.example")
	e.want(204, "", "PUT", "/me/password", `{"password":"a passphrase of my own"}`, owner)
	e.want(404, "link_not_valid", "POST", "/links/verify", `{"token":"`+link+`"}`, on(accountHost))
	e.signedIn("ada@example.com", "a passphrase of my own")
}
