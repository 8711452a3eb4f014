package api_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// Who manages clients, and may do nothing else, gets nothing else by a client that acts by itself.
func TestClientsGiveNobodyMore(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.exec(`insert into role (id, name, permissions, created_at) values ($1, 'clerk', '{clients.write,audit.read}', now())`, uuid.New())
	clerk := e.worker("clerk")
	itself := func(scopes string) string {
		return `{"name":"Robot","site":"admin","redirect_uris":[],"grants":["client_credentials"],"scopes":[` + scopes + `]}`
	}
	account := decode[struct{ ID string }](t, e.must(201, "POST", "/api/v1/customers", `{"email":"c@example.com","name":"C"}`)).ID
	robot := decode[application](t, e.call("POST", "/api/v1/clients", itself(`"audit.read","customers.write"`), e.worker("admin")))
	for _, r := range [][3]string{
		{"POST", "", itself(`"customers.write"`)},
		{"POST", "", strings.Replace(itself(`"services.read"`), `"admin"`, `"account","customer_id":"`+account+`"`, 1)},
		{"PUT", "/" + robot.ID, strings.Replace(itself(`"audit.read"`), `"site":"admin",`, "", 1)}, // takes from what is beyond the clerk
		{"POST", "/" + robot.ID + "/secret", "{}"},
	} {
		if got := e.call(r[0], "/api/v1/clients"+r[1], r[2], clerk); got.status != 403 || !strings.Contains(got.body, "beyond_own_permissions") {
			t.Errorf("%s %s: %d %s", r[0], r[2], got.status, got.body)
		}
	}
	own := decode[application](t, e.call("POST", "/api/v1/clients", itself(`"audit.read"`), clerk))
	if got := e.call("POST", "/api/v1/clients/"+own.ID+"/secret", "{}", clerk); got.status != 200 {
		t.Errorf("of what the clerk may, too: %d %s", got.status, got.body)
	}
	acting := `{"public":true,"name":"App","site":"admin",` + anything + `}`
	if got := e.call("POST", "/api/v1/clients", acting, clerk); got.status != 201 {
		t.Errorf("one that acts for people alone: %d %s", got.status, got.body)
	}
}
