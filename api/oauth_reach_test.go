package api_test

import (
	"strings"
	"testing"
)

// Who manages clients gains by none of them what they may not do themselves: neither by making a client, nor by changing
// one, nor by another secret of one that is there.
func TestNobodyGivesAClientMoreThanHeHas(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.exec(`insert into role (id, name, permissions, created_at) values (gen_random_uuid(), 'clients', '{clients.write,customers.read,services.read}', $1)`, start)
	narrow := e.worker("clients")
	account := e.account("a@example.com").String()
	itself := func(site, scopes string) string {
		body := `"name":"Robot","redirect_uris":[],"grants":["client_credentials"],"scopes":[` + scopes + `]`
		if site == "account" {
			body += `,"customer_id":"` + account + `"`
		}
		return body
	}
	for _, c := range []struct {
		site, scopes string
		status       int
	}{
		{"admin", `"services.read"`, 201},
		{"admin", `"services.read","openid"`, 201},
		{"admin", `"services.read","customers.write"`, 403},
		{"admin", `"audit.read"`, 403},
		{"account", `"services.read","members.read"`, 201},
		{"account", `"invoices.read"`, 403},
		{"account", `"account.write"`, 403},
	} {
		got := e.call("POST", "/api/v1/clients", `{"site":"`+c.site+`",`+itself(c.site, c.scopes)+`}`, narrow)
		if got.status != c.status || c.status == 403 && !strings.Contains(got.body, "beyond_own_permissions") {
			t.Errorf("%s %s: %d %s", c.site, c.scopes, got.status, got.body)
		}
	}
	for _, site := range []string{"account", "admin"} {
		wide, small := e.itself(site+".test", `"services.read","invoices.read"`), e.itself(site+".test", `"services.read"`)
		for what, got := range map[string]answer{
			"a client that may more":      e.call("PUT", "/api/v1/clients/"+wide.ID, `{`+itself(site, `"services.read"`)+`}`, narrow),
			"the secret of such a client": e.call("POST", "/api/v1/clients/"+wide.ID+"/secret", `{}`, narrow),
			"a client that is to do more": e.call("PUT", "/api/v1/clients/"+small.ID, `{`+itself(site, `"services.read","invoices.read"`)+`}`, narrow),
		} {
			if got.status != 403 || strings.Contains(got.body, "ezs_client_") {
				t.Errorf("%s, %s site: %d %s", what, site, got.status, got.body)
			}
		}
		if got := e.call("POST", "/api/v1/clients/"+small.ID+"/secret", `{}`, narrow); got.status != 200 {
			t.Errorf("the secret of a client within reach: %d %s", got.status, got.body)
		}
	}
	if got := e.call("POST", "/api/v1/clients", `{"site":"account","name":"App",`+anything+`}`, narrow); got.status != 201 {
		t.Errorf("a client for people has at most what they have: %d %s", got.status, got.body)
	}
}
