package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Ended counts what ended with a password.
type Ended struct {
	Sessions     int `json:"sessions,omitempty"`
	Tokens       int `json:"tokens,omitempty"`
	Applications int `json:"applications,omitempty"`
}

// Remains is something that a person can prove their identity with after a reset as before: if a stranger has set it up,
// nobody but the person can tell.
type Remains struct {
	Kind  string    `json:"kind"`           // passkey, totp, recovery_codes
	Named string    `json:"name,omitempty"` // of a passkey
	Since time.Time `json:"since"`
}

const selectRemains = `
select 'passkey' as kind, k.name as named, k.created_at as since from passkey k where k.person_id = $1 and k.cloned_at is null
union all
select 'totp', '', t.confirmed_at from totp t where t.person_id = $1 and t.confirmed_at is not null
union all
select 'recovery_codes', '', max(r.issued_at) from recovery_code r where r.person_id = $1 and r.used_at is null having count(*) > 0
order by since, kind
limit 50`

func remains(ctx context.Context, tx pgx.Tx, person uuid.UUID) ([]Remains, error) {
	rows, err := tx.Query(ctx, selectRemains, person)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[Remains])
	for i := range all {
		all[i].Since = all[i].Since.UTC()
	}
	return all, err
}

// after says what ended with a password, and of a reset what did not.
func (n PersonNotice) after() []string {
	var lines []string
	switch ended := n.Ended.String(); {
	case ended != "":
		lines = append(lines, "It also ended: "+ended+".")
	case n.Change == "reset":
		lines = append(lines, "There were no sessions, API tokens or applications to end.")
	}
	if len(n.Remains) == 0 {
		return lines
	}
	lines = append(lines, "Your other ways to sign in have not changed. If you did not set up one of these yourself, remove it on your security page:")
	for _, r := range n.Remains {
		lines = append(lines, "– "+r.String())
	}
	return lines
}

// String lists what there was.
func (e Ended) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{e.Sessions, "session"}, {e.Tokens, "API token"}, {e.Applications, "application"}} {
		switch {
		case p.n == 1:
			parts = append(parts, "one "+p.what)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ")
}

// String says what it is, and since when.
func (r Remains) String() string {
	what := map[string]string{"passkey": "the passkey “" + short(r.Named) + "”", "totp": "the authenticator", "recovery_codes": "recovery codes"}[r.Kind]
	return or(what, r.Kind) + ", since " + minute(r.Since)
}
