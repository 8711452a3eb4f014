package guard

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/ezscale/platform/api/problem"
)

// MeantForHeader names whom a page shows: the person's id, and after a slash that of the account looked at. The tabs of a
// browser share a cookie, so that a login or a change of account in one makes the others show somebody else's things
// than their next request is about.
const MeantForHeader = "Meant-For"

// Why a request is refused that is meant for another.
const (
	personChanged  = "person_changed"
	accountChanged = "account_changed"
)

// MeantForParameter describes the header. It holds for whatever a session's cookie comes with, so the document has it once,
// beside the cookie, and not with each operation.
func MeantForParameter() *huma.Param {
	return &huma.Param{Name: MeantForHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "Whom a request with a session's cookie is meant for: the person's id, and, where they look at an account, a slash and the customer's id. " +
			"A request that the cookie's session does not fit by now is refused with 409 before anything is done: `" + personChanged + "` when somebody else is signed in, `" +
			accountChanged + "` when another account is looked at. Absent: for whoever the cookie names. With a bearer token it is not looked at.",
	}
}

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
	code, message := accountChanged, "you look at another account now, chosen in another tab: nothing was changed"
	if person, _, _ := strings.Cut(header, "/"); person != who.Person.String() {
		code, message = personChanged, "you are signed in as somebody else now, in another tab: nothing was changed"
	}
	problem.New(c.Request.Context(), http.StatusConflict, code, message).Write(c.Writer)
	c.Abort()
	return false
}
