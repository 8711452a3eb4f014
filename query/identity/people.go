package identity

import (
	"context"
	_ "embed"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/query"
)

// Note is what staff wrote down about an account.
type Note struct {
	ID         uuid.UUID `json:"id" format:"uuid"`
	Author     string    `json:"author" doc:"As the audit log has it"`
	AuthorName string    `json:"author_name,omitempty"`
	Text       string    `json:"text"`
	CreatedAt  time.Time `json:"created_at"`
}

// Person is somebody who can sign in on the account site.
type Person struct {
	ID            uuid.UUID  `json:"id" format:"uuid"`
	Email         string     `json:"email"`
	EmailVerified bool       `json:"email_verified"`
	Name          string     `json:"name"`
	Status        string     `json:"status" enum:"active,suspended,banned"`
	CreatedAt     time.Time  `json:"created_at"`
	Accounts      int        `json:"accounts" doc:"That the person is a member of"`
	Memberships   []In       `json:"memberships" nullable:"false" doc:"The first twenty of them"`
	SeenAt        *time.Time `json:"seen_at,omitempty"`
}

// In is an account that a person is in.
type In struct {
	CustomerID uuid.UUID `json:"customer_id" format:"uuid"`
	Name       string    `json:"name"`
	Rights     string    `json:"rights" enum:"owner,billing,technical,read_only"`
}

//go:embed list_notes.sql
var listNotesSQL string

//go:embed count_notes.sql
var countNotesSQL string

//go:embed list_people.sql
var listPeopleSQL string

// ListNotes lists the notes about an account, newest first. They are for staff: who asks for customers may not read the table.
func ListNotes(ctx context.Context, db query.Postgres, customer uuid.UUID, page query.Page) (query.List[Note], error) {
	at, id, err := page.TimeAfter()
	if err != nil {
		return query.List[Note]{}, err
	}
	rows, err := query.All[Note](ctx, db, listNotesSQL, customer, at, id, page.Rows())
	if err != nil {
		return query.List[Note]{}, err
	}
	return query.Cut(page, rows, func(n Note) []string { return query.TimeKey(n.CreatedAt, n.ID.String()) }), nil
}

// CountNotes counts them.
func CountNotes(ctx context.Context, db query.Postgres, customer uuid.UUID) (int, error) {
	row, err := query.One[struct{ Notes int }](ctx, db, "customer", countNotesSQL, customer)
	return row.Notes, err
}

// ListPeople lists people of the account site by mail address, for staff. Search, when not empty, keeps those whose
// address or name holds it.
func ListPeople(ctx context.Context, db query.Postgres, search string, page query.Page) (query.List[Person], error) {
	after, err := page.TextAfter()
	if err != nil {
		return query.List[Person]{}, err
	}
	rows, err := query.All[Person](ctx, db, listPeopleSQL, search, after, page.Rows())
	if err != nil {
		return query.List[Person]{}, err
	}
	return query.Cut(page, rows, func(p Person) []string { return []string{p.Email} }), nil
}
