package events

import "github.com/google/uuid"

// PersonRegistered says that there is somebody new; who, Postgres alone knows.
type PersonRegistered struct {
	PersonID uuid.UUID `json:"person_id"`
	Site     string    `json:"site"` // account, admin
}

// PersonChanged says that something about a person changed: profile, address, status.
type PersonChanged struct {
	PersonID uuid.UUID `json:"person_id"`
}

// MembershipChanged gives a person rights in an account, or takes them. When they left, the account's owners are told.
type MembershipChanged struct {
	CustomerID uuid.UUID `json:"customer_id"`
	PersonID   uuid.UUID `json:"person_id"`
	Rights     string    `json:"rights,omitempty"` // owner, billing, technical, read_only; empty: none any more
	Left       bool      `json:"left,omitempty"`   // by their own will
}

// ContactChanged says that somebody has an account's mails go to another address, where they did not follow an owner's own.
// Whoever reads the old one is told by mail. Which they are, Postgres alone knows.
type ContactChanged struct {
	CustomerID uuid.UUID `json:"customer_id"`
	ChangeID   uuid.UUID `json:"change_id"`
}

// LinkRequested asks for a link to be mailed. To whom, and with which token, is in no event.
type LinkRequested struct {
	LinkID  uuid.UUID `json:"link_id"`
	Purpose string    `json:"purpose"` // verify_email, reset_password, invitation, enrolment
}

// RegistrationRepeated says that somebody registered with the verified address of a person, who is told so by mail: to
// whoever asks, it looks like a registration. AttemptID stands where the link's id would.
type RegistrationRepeated struct {
	AttemptID uuid.UUID `json:"attempt_id"`
	PersonID  uuid.UUID `json:"person_id"`
}

// CredentialChanged says that what people prove their identity with changed, or was used up, and how much that worked ended
// with it. The person is told by mail.
type CredentialChanged struct {
	PersonID uuid.UUID `json:"person_id"`
	Kind     string    `json:"kind"`   // password, passkey, totp, recovery_codes, email, api_token; all: by staff
	Change   string    `json:"change"` // added, changed, reset (a password by a mailed link), removed, used, cloned

	SessionsEnded     int `json:"sessions_ended,omitempty"`
	TokensEnded       int `json:"tokens_ended,omitempty"`
	ApplicationsEnded int `json:"applications_ended,omitempty"`
}

// SessionOpened says that a person signed in.
type SessionOpened struct {
	SessionID uuid.UUID `json:"session_id"`
	PersonID  uuid.UUID `json:"person_id"`
	Site      string    `json:"site"`
	NewDevice bool      `json:"new_device"` // the person never signed in with this browser before
}

// ApplicationAllowed says that a person allowed a program what they had not allowed it before. They are told by mail.
type ApplicationAllowed struct {
	PersonID uuid.UUID `json:"person_id"`
	GrantID  uuid.UUID `json:"grant_id"`
}

// ClientChanged says that somebody changed the settings of a program that acts for people.
type ClientChanged struct {
	ClientID uuid.UUID `json:"client_id"`
}

// SignInRefused says that somebody failed to sign in as a person, with a proof that was wrong.
type SignInRefused struct {
	PersonID uuid.UUID `json:"person_id"`
	Site     string    `json:"site"`
	Factor   string    `json:"factor"` // password, passkey, totp, recovery_code
}

func (PersonRegistered) Type() string               { return "identity.PersonRegistered" }
func (PersonRegistered) SchemaVersion() int         { return 1 }
func (e PersonRegistered) Aggregate() Aggregate     { return Aggregate{TypePerson, e.PersonID} }
func (e PersonRegistered) ShardKey() uuid.UUID      { return e.PersonID }
func (PersonChanged) Type() string                  { return "identity.PersonChanged" }
func (PersonChanged) SchemaVersion() int            { return 1 }
func (e PersonChanged) Aggregate() Aggregate        { return Aggregate{TypePerson, e.PersonID} }
func (e PersonChanged) ShardKey() uuid.UUID         { return e.PersonID }
func (MembershipChanged) Type() string              { return "identity.MembershipChanged" }
func (MembershipChanged) SchemaVersion() int        { return 1 }
func (e MembershipChanged) Aggregate() Aggregate    { return Aggregate{TypeCustomer, e.CustomerID} }
func (e MembershipChanged) ShardKey() uuid.UUID     { return e.CustomerID }
func (ContactChanged) Type() string                 { return "identity.ContactChanged" }
func (ContactChanged) SchemaVersion() int           { return 1 }
func (e ContactChanged) Aggregate() Aggregate       { return Aggregate{TypeCustomer, e.CustomerID} }
func (e ContactChanged) ShardKey() uuid.UUID        { return e.CustomerID }
func (LinkRequested) Type() string                  { return "identity.LinkRequested" }
func (LinkRequested) SchemaVersion() int            { return 1 }
func (e LinkRequested) Aggregate() Aggregate        { return Aggregate{TypeLink, e.LinkID} }
func (e LinkRequested) ShardKey() uuid.UUID         { return e.LinkID }
func (RegistrationRepeated) Type() string           { return "identity.RegistrationRepeated" }
func (RegistrationRepeated) SchemaVersion() int     { return 1 }
func (e RegistrationRepeated) Aggregate() Aggregate { return Aggregate{TypeLink, e.AttemptID} }
func (e RegistrationRepeated) ShardKey() uuid.UUID  { return e.AttemptID }
func (CredentialChanged) Type() string              { return "credential.CredentialChanged" }
func (CredentialChanged) SchemaVersion() int        { return 1 }
func (e CredentialChanged) Aggregate() Aggregate    { return Aggregate{TypePerson, e.PersonID} }
func (e CredentialChanged) ShardKey() uuid.UUID     { return e.PersonID }
func (SessionOpened) Type() string                  { return "access.SessionOpened" }
func (SessionOpened) SchemaVersion() int            { return 1 }
func (e SessionOpened) Aggregate() Aggregate        { return Aggregate{TypeSession, e.SessionID} }
func (e SessionOpened) ShardKey() uuid.UUID         { return e.PersonID }
func (ApplicationAllowed) Type() string             { return "oauth.ApplicationAllowed" }
func (ApplicationAllowed) SchemaVersion() int       { return 1 }
func (e ApplicationAllowed) Aggregate() Aggregate   { return Aggregate{TypePerson, e.PersonID} }
func (e ApplicationAllowed) ShardKey() uuid.UUID    { return e.PersonID }
func (ClientChanged) Type() string                  { return "oauth.ClientChanged" }
func (ClientChanged) SchemaVersion() int            { return 1 }
func (e ClientChanged) Aggregate() Aggregate        { return Aggregate{TypeClient, e.ClientID} }
func (e ClientChanged) ShardKey() uuid.UUID         { return e.ClientID }
func (SignInRefused) Type() string                  { return "access.SignInRefused" }
func (SignInRefused) SchemaVersion() int            { return 1 }
func (e SignInRefused) Aggregate() Aggregate        { return Aggregate{TypePerson, e.PersonID} }
func (e SignInRefused) ShardKey() uuid.UUID         { return e.PersonID }
