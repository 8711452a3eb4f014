package api_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// digest is what every table holds, but for those that note attempts and when a session was last used.
func (e *env) digest() map[string]string {
	e.Helper()
	rows, err := e.owner.Query(context.Background(), `select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
		and c.relname not in ('limiter_bucket', 'ephemeral', 'session', 'api_token')`)
	if err != nil {
		e.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			e.Fatal(err)
		}
		tables = append(tables, name)
	}
	digests := map[string]string{}
	for _, name := range tables {
		var text string
		sql := `select count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) from "` + name + `" t`
		if err := e.owner.QueryRow(context.Background(), sql).Scan(&text); err != nil {
			e.Fatal(err)
		}
		digests[name] = text
	}
	return digests
}

// A browser follows links, loads ahead and repeats: what only reads changes nothing, whoever asks.
func TestReadsChangeNothing(t *testing.T) {
	t.Parallel()
	e := company(t)
	e.invoice("svc-a", "INV-A")
	callers := []as{e.member("a@example.com", "owner"), e.worker("admin"), operator, on(accountHost), on(adminHost)}
	before := e.digest()
	for _, r := range routes(t) {
		if r.method != "GET" {
			continue
		}
		for _, who := range callers {
			e.call(r.method, r.on("svc-a", "INV-A"), "", who)
		}
	}
	if diff := cmp.Diff(before, e.digest()); diff != "" {
		t.Errorf("reading changed tables (-before +after):\n%s", diff)
	}
}
