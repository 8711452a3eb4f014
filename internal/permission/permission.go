// Package permission names what may be done, and says which of it a member's rights, a role or a token give. It is the
// vocabulary of api/guard's one decision: an operation names the permission that it needs, whoever asks brings a Set,
// and what is in no set may nobody do.
//
// A permission is an object and a verb, services.read. Members of an account have the permissions of their rights,
// always about that account alone; staff have those of their roles, about everything. A token or an OAuth client has at
// most what its owner has at that moment: sets are intersected when they are used, not when they are given.
//
// The package is pure.
package permission

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Permission is one thing that may be done.
type Permission string

// What may be done. Those of the first group both members and staff can have, of the second members, of the third staff.
const (
	ServicesRead Permission = "services.read" // services, their traffic, cycles and alerts
	InvoicesRead Permission = "invoices.read"

	AccountRead  Permission = "account.read" // profile and addresses
	AccountWrite Permission = "account.write"
	MembersRead  Permission = "members.read" // people of the account and invitations
	MembersWrite Permission = "members.write"

	CustomersRead  Permission = "customers.read"
	CustomersWrite Permission = "customers.write"
	PeopleRecover  Permission = "people.recover" // of the account site, who lost what they sign in with
	ServicesWrite  Permission = "services.write"
	CatalogRead    Permission = "catalog.read"
	CatalogWrite   Permission = "catalog.write"
	NetworkRead    Permission = "network.read" // exporters, ports, collectors, quarantine
	NetworkWrite   Permission = "network.write"
	ReportsRead    Permission = "reports.read"
	AuditRead      Permission = "audit.read"
	StaffRead      Permission = "staff.read" // who works here, and roles
	StaffWrite     Permission = "staff.write"
	ClientsWrite   Permission = "clients.write" // OAuth clients
	Impersonate    Permission = "impersonate"
	Development    Permission = "development" // clock and mailbox of a development machine
)

// All stands in a role for every permission that staff can have, those of later versions included.
const All = "*"

// Meaning is a permission and what it is to people.
type Meaning struct {
	Permission Permission `json:"permission"`
	Says       string     `json:"says"`
}

// OfStaff lists what roles can give, in the order of the roles' page.
func OfStaff() []Meaning {
	return []Meaning{
		{CustomersRead, "See customers, their people and notes"},
		{CustomersWrite, "Change, suspend and ban customers, write notes, invite people"},
		{PeopleRecover, "Reset how somebody signs in who has lost it"},
		{ServicesRead, "See services, their traffic and alerts"},
		{ServicesWrite, "Create services, assign prefixes and ports"},
		{InvoicesRead, "See invoices"},
		{CatalogRead, "See plans"},
		{CatalogWrite, "Create and change plans"},
		{NetworkRead, "See exporters, ports, collectors and the quarantine"},
		{NetworkWrite, "Register exporters, decide about quarantined samples"},
		{ReportsRead, "See and export the operators' reports"},
		{AuditRead, "Read the audit log"},
		{Impersonate, "Look at an account as one of its people"},
		{ClientsWrite, "Manage OAuth clients"},
		{StaffRead, "See who works here, and roles"},
		{StaffWrite, "Enrol staff, give and change roles"},
		{Development, "Move the clock and read the mailbox of a development machine"},
	}
}

// OfAccount lists what some member can do by a token or an application, in the words of the account site: to invite
// somebody, and to change who is in the account, takes a person.
func OfAccount() []Meaning {
	return []Meaning{
		{ServicesRead, "See the account's services, their traffic and alerts"},
		{InvoicesRead, "See the account's invoices"},
		{AccountRead, "See the account's profile and addresses"},
		{AccountWrite, "Change the account's profile and addresses"},
		{MembersRead, "See the account's people and invitations"},
		{MembersWrite, "Revoke invitations to the account"},
	}
}

// Rights of a member of an account.
const (
	Owner     = "owner"
	Billing   = "billing"
	Technical = "technical"
	ReadOnly  = "read_only"
)

// Rights lists them, from most to least.
func Rights() []string { return []string{Owner, Billing, Technical, ReadOnly} }

// OfRights is what a member with these rights may do in the account; nothing for rights that there are none.
func OfRights(rights string) Set {
	reading := []Permission{ServicesRead, InvoicesRead, AccountRead, MembersRead}
	switch rights {
	case Owner:
		return Of(append(reading, AccountWrite, MembersWrite)...)
	case Billing:
		return Of(append(reading, AccountWrite)...)
	case Technical:
		return Of(ServicesRead, AccountRead)
	case ReadOnly:
		return Of(ServicesRead, InvoicesRead, AccountRead)
	}
	return Set{}
}

// OverAccounts is what staff need to do to any account what a member with this permission does to their own.
func OverAccounts(of Permission) Permission {
	switch of {
	case AccountRead, MembersRead:
		return CustomersRead
	case AccountWrite, MembersWrite:
		return CustomersWrite
	}
	return of
}

// OfTokens lists the scopes that the tokens of a site can have. To look at an account as somebody takes a
// person, and so does it to let somebody in.
func OfTokens(staff bool) []Meaning {
	if !staff {
		return OfAccount()
	}
	return slices.DeleteFunc(OfStaff(), func(m Meaning) bool { return m.Permission == Impersonate || m.Permission == PeopleRecover })
}

// OfRoles is what the permissions of all of somebody's roles come to. What is no permission of this version is nothing.
func OfRoles(granted []string) Set {
	s := Set{}
	for _, m := range OfStaff() {
		if slices.Contains(granted, All) || slices.Contains(granted, string(m.Permission)) {
			s = s.With(m.Permission)
		}
	}
	return s
}

// CheckRole says what is wrong with the permissions of a role.
func CheckRole(granted []string) error {
	for _, g := range granted {
		known := slices.ContainsFunc(OfStaff(), func(m Meaning) bool { return string(m.Permission) == g })
		if !known && g != All {
			return fmt.Errorf("%q is no permission of staff", g)
		}
	}
	return nil
}

// Set is what somebody may do. The zero Set is nothing. Sets are values: none of the methods changes one.
type Set struct{ of map[Permission]bool }

// Of makes a set.
func Of(permissions ...Permission) Set {
	s := Set{of: make(map[Permission]bool, len(permissions))}
	for _, p := range permissions {
		s.of[p] = true
	}
	return s
}

// Has tells whether a permission is in the set. The empty permission is in none.
func (s Set) Has(p Permission) bool { return p != "" && s.of[p] }

// With adds a permission.
func (s Set) With(p Permission) Set { return Of(append(s.List(), p)...) }

// And is what both sets have.
func (s Set) And(other Set) Set {
	return Of(slices.DeleteFunc(s.List(), func(p Permission) bool { return !other.Has(p) })...)
}

// Reading is what of the set only reads.
func (s Set) Reading() Set {
	return Of(slices.DeleteFunc(s.List(), func(p Permission) bool { return !strings.HasSuffix(string(p), ".read") })...)
}

// List is the set in order; never nil.
func (s Set) List() []Permission {
	list := slices.AppendSeq(make([]Permission, 0, len(s.of)+1), maps.Keys(s.of))
	slices.Sort(list)
	return list
}
