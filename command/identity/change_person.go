package identity

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // zones are known on every machine alike

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

const maxZone = 64 // bytes; the longest there is has 32

// ChangePerson changes what a person says about themselves. The mail address is no part of it: who reads it has to be proved.
type ChangePerson struct {
	PersonID   uuid.UUID `json:"person_id"`
	PersonName string    `json:"name" audit:"redact"`
	Locale     string    `json:"locale"`    // BCP 47: language, script, region
	TimeZone   string    `json:"time_zone"` // of the IANA's database
}

// Name is the command's name.
func (ChangePerson) Name() string { return "identity.ChangePerson" }

// Aggregates is the person.
func (c ChangePerson) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c ChangePerson) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.Text(&fields, "name", c.PersonName)
	fields.Check(isLocale(c.Locale), "locale", "%.40q is no language such as en, de-AT or zh-Hant-TW", c.Locale)
	fields.Check(isZone(c.TimeZone), "time_zone", "%.40q is no time zone such as Europe/Berlin or UTC", c.TimeZone)
	return fields.Err()
}

// isLocale takes the parts of BCP 47 that say something here, in the case in which they are written (RFC 5646, 2.1.1).
func isLocale(tag string) bool {
	return regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$`).MatchString(tag)
}

// isZone asks the database of zones. Local is the machine's and no name of one.
func isZone(name string) bool {
	if name == "" || name == "Local" || len(name) > maxZone {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

const updatePerson = `
update person set name = $2, locale = $3, time_zone = $4 where id = $1
returning old.name, old.locale, old.time_zone`

// personFields are what can change of a person, for the audit row.
type personFields struct {
	Name     string `json:"name" audit:"redact"`
	Locale   string `json:"locale"`
	TimeZone string `json:"time_zone"`
}

// Handle changes the person.
func (c ChangePerson) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Person, []events.Event, error) {
	var was personFields
	err := tx.QueryRow(ctx, updatePerson, c.PersonID, c.PersonName, c.Locale, c.TimeZone).Scan(&was.Name, &was.Locale, &was.TimeZone)
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, nil, fault.New(fault.NotFound, "person_not_found", "there is no such person")
	}
	if err != nil {
		return Person{}, nil, fmt.Errorf("update person %s: %w", c.PersonID, err)
	}
	change := command.Change{Before: was, After: personFields{Name: c.PersonName, Locale: c.Locale, TimeZone: c.TimeZone}}
	return Person{PersonID: c.PersonID, Change: change}, []events.Event{events.PersonChanged{PersonID: c.PersonID}}, nil
}
