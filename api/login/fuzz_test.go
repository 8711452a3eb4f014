package login

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/internal/token"
	"github.com/ezscale/platform/query/access"
)

// What is kept of a sign-in is read strictly: what is taken is what would be written again.
func FuzzPending(f *testing.F) {
	f.Add(pending{Site: guard.SiteAdmin, Person: uuid.New(), Tries: 3, Password: make([]byte, 32)}.encode())
	f.Add([]byte(`{"site":"account"}`))
	f.Add([]byte(`{} {}`))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, kept []byte) {
		p, err := readPending(kept)
		if err != nil {
			return
		}
		again, err := readPending(p.encode())
		if err != nil || !bytes.Equal(again.encode(), p.encode()) {
			t.Fatalf("%q is read as %+v, and again as %+v: %v", kept, p, again, err)
		}
		if p.isOf(access.Credentials{}) {
			t.Fatalf("%+v is of nobody", p)
		}
	})
}

func FuzzCookie(f *testing.F) {
	f.Add(token.New(token.Session).Reveal())
	f.Add(token.New(token.API).Reveal())
	f.Add("")
	f.Add("\x00")
	f.Fuzz(func(t *testing.T, text string) {
		key, ok := keyOf(text)
		parsed, err := token.Parse(token.Session, text)
		if ok != (err == nil) || ok && key != parsed.Hash() {
			t.Fatalf("%q: %v, %v", text, ok, err)
		}
	})
}

// No body brings a handler what it cannot hold, and none is answered with what it says.
func FuzzBodies(f *testing.F) {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	edge := humagin.New(router, huma.DefaultConfig("fuzz", "1"))
	huma.Register(edge, huma.Operation{Method: http.MethodPost, Path: "/login"}, func(_ context.Context, in *signInInput) (*struct{}, error) {
		return nil, check(len(in.Body.Email) <= 4*254 && len(in.Body.Password.Reveal()) <= 4*1024, in.Body)
	})
	huma.Register(edge, huma.Operation{Method: http.MethodPost, Path: "/code"}, func(_ context.Context, in *codeInput) (*struct{}, error) {
		return nil, check(len(in.Body.Code.Reveal()) <= 4*64, in.Body)
	})
	huma.Register(edge, huma.Operation{Method: http.MethodPost, Path: "/passkey"}, func(_ context.Context, in *passkeyInput) (*struct{}, error) {
		return nil, check(len(in.Body.Response) > 0, "")
	})
	f.Add([]byte(`{"email":"a@example.com","password":"secret","remember":true}`))
	f.Add([]byte(`{"code":"123456"}`))
	f.Add([]byte(`{"response":{"id":"x"}}`))
	f.Add([]byte(`{"email":1,"password":null,"code":[],"response":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/login", "/code", "/passkey"} {
			request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			router.ServeHTTP(answer, request)
			if answer.Code >= http.StatusInternalServerError {
				t.Fatalf("%s with %q: %d %s", path, body, answer.Code, answer.Body)
			}
		}
	})
}

// check fails where a bound does not hold, or where what is secret prints.
func check(ok bool, body any) error {
	if b, is := body.(signInCode); is && !b.Code.IsZero() && len(b.Code.Reveal()) > 20 && bytes.Contains(fmt.Append(nil, b), []byte(b.Code.Reveal())) {
		ok = false
	}
	if !ok {
		return huma.Error500InternalServerError("a bound does not hold")
	}
	return nil
}
