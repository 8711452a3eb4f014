package guard

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/ezscale/platform/api/problem"
)

// MeantForHeader names whom a page shows: the person's id, and after a slash that of the account looked at. The tabs of a
// browser share a cookie, so that a login or a change of account in one makes the others show somebody else's things
// than their next request is about.
const MeantForHeader = "Meant-For"

func (p *Principal) shownAs() string {
	if p.Customer == uuid.Nil {
		return p.Person.String()
	}
	return p.Person.String() + "/" + p.Customer.String()
}

// meant refuses what a page sends for another person or account than the cookie's; without the header nobody is.
func meant(c *gin.Context, who *Principal) bool {
	header := c.GetHeader(MeantForHeader)
	if header == "" || header == who.shownAs() {
		return true
	}
	code, message := "account_changed", "you look at another account now, chosen in another tab: nothing was changed"
	if person, _, _ := strings.Cut(header, "/"); person != who.Person.String() {
		code, message = "person_changed", "you are signed in as somebody else now, in another tab: nothing was changed"
	}
	problem.New(c.Request.Context(), http.StatusConflict, code, message).Write(c.Writer)
	c.Abort()
	return false
}
