package identity

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/command/internal/check"
	"github.com/ezscale/platform/command/internal/ending"
	"github.com/ezscale/platform/internal/fault"
	"github.com/ezscale/platform/schemas/events"
)

// ResetPassword sets the password of somebody who reads their mail, and ends all that whoever knew the old one or read the
// mailbox may have: sessions, API tokens, applications, other links. A second factor stays: a mailbox is one factor, and must
// not do for two. On the account site the link verifies the address too, and so ends a
// registration whose own link was lost, or that a stranger began, whose password is gone with it.
type ResetPassword struct {
	Proof
	Joining
	PersonID     uuid.UUID `json:"person_id"`
	PasswordHash string    `json:"password_hash" audit:"redact"`
}

// Name is the command's name.
func (ResetPassword) Name() string { return "identity.ResetPassword" }

// Aggregates are the person, and what may become of a registration.
func (c ResetPassword) Aggregates() []events.Aggregate {
	return append([]events.Aggregate{{Type: events.TypePerson, ID: c.PersonID}}, c.aggregates()...)
}

// Validate checks the fields.
func (c ResetPassword) Validate() error {
	var fields fault.Fields
	c.Proof.check(&fields)
	c.Joining.check(&fields)
	check.ID(&fields, "person_id", c.PersonID)
	fields.Check(c.PasswordHash != "", "password", "is missing")
	return fields.Err()
}

// Handle sets the password.
func (c ResetPassword) Handle(ctx context.Context, tx pgx.Tx, meta command.Meta) (Verified, []events.Event, error) {
	link, person, err := c.useOf(ctx, tx, PurposeReset, c.PersonID)
	if err != nil {
		return Verified{}, nil, err
	}
	if link.email != person.email { // it was mailed to an address that is no longer theirs
		return Verified{}, nil, InvalidLink()
	}
	was, is := provedFields{Verified: person.verified}, provedFields{Verified: true, Password: "new"}
	if err := tx.QueryRow(ctx, putPassword, c.PersonID, c.PasswordHash, meta.Now).Scan(&was.Password); err != nil {
		return Verified{}, nil, fmt.Errorf("set the password of %s: %w", c.PersonID, err)
	}
	if err := ending.Links(ctx, tx, c.PersonID, c.At); err != nil {
		return Verified{}, nil, err
	}
	if was.Ended, err = ending.All(ctx, tx, c.PersonID, c.At, nil); err != nil {
		return Verified{}, nil, err
	}
	if !person.verified {
		return c.admit(ctx, tx, meta, c.At, person, command.Change{Before: was, After: is})
	}
	reset := events.CredentialChanged{PersonID: c.PersonID, Kind: "password", Change: "reset",
		SessionsEnded: was.Sessions, TokensEnded: was.Tokens, ApplicationsEnded: was.Applications}
	return Verified{PersonID: c.PersonID, Change: command.Change{Before: was, After: is}}, []events.Event{reset}, nil
}
