package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ChangePersonStatus suspends or bans a person of a site, or makes them active again. Who is not active is signed out at
// once, and no mailed link works for them.
type ChangePersonStatus struct {
	PersonID uuid.UUID `json:"person_id"`
	Site     string    `json:"site"` // the one that the person has to be of
	Status   string    `json:"status"`
	At       time.Time `json:"at"` // by the machine's clock, of the sessions' end
}

type statusFields struct {
	Status string `json:"status"`
}

// Name is the command's name.
func (ChangePersonStatus) Name() string { return "identity.ChangePersonStatus" }

// Aggregates is the person.
func (c ChangePersonStatus) Aggregates() []events.Aggregate {
	return []events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}
}

// Validate checks the fields.
func (c ChangePersonStatus) Validate() error {
	var fields fault.Fields
	check.ID(&fields, "person_id", c.PersonID)
	check.Status(&fields, "status", c.Status)
	fields.Check(c.Site != "", "site", "is missing")
	check.At(&fields, c.At)
	return fields.Err()
}

const setPersonStatus = `update person set status = $3 where id = $1 and site = $2 returning old.status`

// Handle changes the status.
func (c ChangePersonStatus) Handle(ctx context.Context, tx pgx.Tx, _ command.Meta) (Person, []events.Event, error) {
	var was statusFields
	err := tx.QueryRow(ctx, setPersonStatus, c.PersonID, c.Site, c.Status).Scan(&was.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, nil, noSuchPerson(c.PersonID)
	}
	if err != nil {
		return Person{}, nil, fmt.Errorf("change the status of person %s: %w", c.PersonID, err)
	}
	if c.Status != check.StatusActive {
		if _, err := ending.Sessions(ctx, tx, c.PersonID, c.At, nil); err != nil {
			return Person{}, nil, err
		}
		if err := ending.Links(ctx, tx, c.PersonID, c.At); err != nil {
			return Person{}, nil, err
		}
	}
	change := command.Change{Before: was, After: statusFields{Status: c.Status}}
	return Person{PersonID: c.PersonID, Change: change}, []events.Event{events.PersonChanged{PersonID: c.PersonID}}, nil
}
