// Package people holds the handlers about people and their accounts: registration and mailed links, the profile and the
// members of an account, and what staff see and do of both.
//
// # What a stranger learns
//
// Registering and forgetting a password answer alike, whoever has the address: the same status and body, in a time that does
// not tell (BenchmarkEqualAnswers in package api measures it), and one mail, which says what there is to say to its reader
// alone. A link that does not work is one refusal, whatever is wrong
// with it. Only who reads the mailbox learns more.
//
// # How often
//
// Open operations are counted by their guard.Class. Beside it every mail that a stranger can cause is counted by the
// address that it goes to, so that nobody's mailbox is flooded from many networks; what those who are signed in can cause
// is counted by account and person too. The count comes before the hash, and does not ask who has the address.
//
// # Passwords and links
//
// A password is hashed here, and a link's token is hashed here: commands get the hashes. Tokens are never drawn here.
package people

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/ezscale/platform/api/guard"
	"github.com/ezscale/platform/api/problem"
	"github.com/ezscale/platform/api/proofs"
	"github.com/ezscale/platform/api/route"
	"github.com/ezscale/platform/command"
	"github.com/ezscale/platform/internal/limiter"
	"github.com/ezscale/platform/internal/permission"
	"github.com/ezscale/platform/internal/secret"
	"github.com/ezscale/platform/query"
)

// Desk is what the handlers share.
type Desk struct {
	Commands   *command.DB
	Postgres   query.Postgres // what is shown: the wall
	Door       guard.Door     // what proves
	Proofs     proofs.Tools
	Now        func() time.Time
	MachineNow func() time.Time // links live by it
}

const tag = "people"

func op(method, path, id, summary string, access guard.Access, status int) route.Operation {
	return route.Operation{Method: method, Path: path, ID: id, Tag: tag, Summary: summary, Access: access, Status: status}
}

// Register registers the operations.
func (d Desk) Register(t route.Table) {
	mailing, link, password := guard.Open(guard.Mailing), guard.Open(guard.Link), guard.Open(guard.Password)
	route.ServeRaw(t, op("POST", "/register", "register", "Register; what follows is in a mail", mailing, http.StatusAccepted), d.register)
	route.ServeRaw(t, op("POST", "/password/forgot", "forget-password", "Ask for a link to set another password", mailing, http.StatusAccepted), d.forgot)
	route.Serve(t, op("POST", "/links/look", "look-at-link", "What a mailed link is for", link, 0), d.look)
	route.Serve(t, op("POST", "/links/verify", "verify-email", "Follow the link that verifies a mail address", password, 0), d.verify)
	route.ServeRaw(t, op("POST", "/password/reset", "reset-password", "Set another password by a link: every session, API token and application ends, second factors stay", password, http.StatusNoContent), d.reset)
	route.Serve(t, op("POST", "/invitations/accept", "accept-invitation", "Join an account by a link", password, 0), d.accept)
	route.ServeRaw(t, op("POST", "/me/email", "change-email", "Ask for a link to a new mail address, which counts once it is followed", guard.Self().Fresh(), http.StatusAccepted), d.changeEmail)

	route.Serve(t, op("GET", "/account", "get-account", "The account that one looks at", guard.May(permission.AccountRead), 0), d.account)
	route.Serve(t, op("PUT", "/account", "change-account", "Change the account's profile, whole", guard.May(permission.AccountWrite), 0), d.changeAccount)
	route.Serve(t, op("PUT", "/account/contact", "change-contact", "Have the account's mails, invoices among them, go to another of its people's verified addresses", guard.May(permission.AccountWrite), 0), d.changeContact)
	route.Serve(t, op("GET", "/account/members", "list-members", "People of the account, owners first", guard.May(permission.MembersRead), 0), d.members)
	route.Serve(t, op("PUT", "/account/members/{person_id}", "change-member", "Change a member's rights", guard.May(permission.MembersWrite).Fresh(), 0), d.changeMember)
	route.ServeRaw(t, op("DELETE", "/account/members/{person_id}", "remove-member", "Take a member out of the account", guard.May(permission.MembersWrite).Fresh(), http.StatusNoContent), d.removeMember)
	route.ServeRaw(t, op("DELETE", "/me/accounts/{customer_id}", "leave-account", "Leave an account; the last owner stays. This session goes on, without it", guard.Self().Fresh(), http.StatusNoContent), d.leave)
	route.Serve(t, op("GET", "/account/invitations", "list-invitations", "Invitations that are open", guard.May(permission.MembersRead), 0), d.invitations)
	route.Serve(t, op("POST", "/account/invitations", "invite-member", "Invite somebody by mail; again: a new link", guard.May(permission.MembersWrite).Fresh(), http.StatusCreated), d.invite)
	route.ServeRaw(t, op("DELETE", "/account/invitations/{id}", "revoke-invitation", "Take an invitation back", guard.May(permission.MembersWrite), http.StatusNoContent), d.revoke)
	d.registerStaff(t)
}

// registerStaff registers what staff do.
func (d Desk) registerStaff(t route.Table) {
	read, write := guard.May(permission.CustomersRead), guard.May(permission.CustomersWrite)
	route.Serve(t, op("GET", "/customers/{id}", "get-customer", "A customer: profile, people, number of notes", read, 0), d.customer)
	route.Serve(t, op("PUT", "/customers/{id}/profile", "change-customer-profile", "Change a customer's profile, whole", write, 0), d.changeProfile)
	route.Serve(t, op("PUT", "/customers/{id}/contact", "change-customer-contact", "Have a customer's mails, invoices among them, go to another address", write, 0), d.changeCustomerContact)
	route.Serve(t, op("PUT", "/customers/{id}/status", "change-customer-status", "Suspend or ban a customer, or let it be active again", write, 0), d.changeStatus)
	route.Serve(t, op("GET", "/customers/{id}/notes", "list-customer-notes", "Notes about a customer, newest first", read, 0), d.notes)
	route.Serve(t, op("POST", "/customers/{id}/notes", "write-customer-note", "Write a note about a customer", write, http.StatusCreated), d.writeNote)
	route.Serve(t, op("GET", "/customers/{id}/members", "list-customer-members", "People of a customer", read, 0), d.customerMembers)
	route.Serve(t, op("PUT", "/customers/{id}/members/{person_id}", "change-customer-member", "Change the rights of one of a customer's people", write.Fresh(), 0), d.changeMemberFor)
	route.ServeRaw(t, op("DELETE", "/customers/{id}/members/{person_id}", "remove-customer-member", "Take a person out of a customer's account", write.Fresh(), http.StatusNoContent), d.removeMemberFor)
	route.Serve(t, op("GET", "/customers/{id}/invitations", "list-customer-invitations", "Invitations into a customer's account that are open", read, 0), d.customerInvitations)
	route.ServeRaw(t, op("DELETE", "/customers/{id}/invitations/{invitation_id}", "revoke-customer-invitation", "Take an invitation into a customer's account back", write, http.StatusNoContent), d.revokeFor)
	route.Serve(t, op("POST", "/customers/{id}/invitations", "invite-customer-member", "Invite somebody into a customer's account", write.Fresh(), http.StatusCreated), d.inviteFor)
	route.Serve(t, op("GET", "/people", "list-people", "People of the account site by mail address", read, 0), d.people)
	route.Serve(t, op("PUT", "/people/{id}/status", "change-person-status", "Suspend or ban a person, who is signed out, or activate them again", write, 0), d.changePersonStatus)
	route.ServeRaw(t, op("POST", "/people/{id}/recovery", "recover-person", "Let a person in again who has lost what they sign in with: all of it goes, the password too, and they set another one by mail", guard.May(permission.PeopleRecover).Fresh(), http.StatusNoContent), d.recoverPerson)
}

// meta is what a command runs with that no key repeats.
func (d Desk) meta(ctx context.Context) command.Meta {
	return guard.Meta(ctx, d.Now())
}

// mailsTo counts mails to an address that strangers cause, but for those of resetsTo.
func mailsTo(site guard.Site, email string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "mail.address", Burst: 3, Per: time.Hour}, Of: string(site) + ":" + strings.ToLower(email)}
}

// resetsTo counts links to a new password for an address. Its bucket is shared with nothing, so that nobody can keep others
// from theirs by registering their addresses: who empties it has a link sent to them each time.
func resetsTo(site guard.Site, email string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "mail.reset", Burst: 3, Per: time.Hour}, Of: string(site) + ":" + strings.ToLower(email)}
}

// invitationsTo counts mails to an address that invite it, wherever.
func invitationsTo(email string) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "mail.invited", Burst: 5, Per: 24 * time.Hour}, Of: strings.ToLower(email)}
}

// invitationsOf counts mails by which an account invites.
func invitationsOf(customer uuid.UUID) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "mail.inviting", Burst: 50, Per: 24 * time.Hour}, Of: customer.String()}
}

// changesOf counts the addresses that a person asks to have.
func changesOf(person uuid.UUID) limiter.Key {
	return limiter.Key{Limit: limiter.Limit{Name: "mail.changing", Burst: 5, Per: 24 * time.Hour}, Of: person.String()}
}

// attempt takes a token from every bucket, or gives the problem that refuses the attempt.
func (d Desk) attempt(ctx context.Context, keys ...limiter.Key) error {
	verdict, err := d.Proofs.Limiter.Take(ctx, keys...)
	if err == nil && !verdict.Allowed {
		err = problem.TooMany(ctx, verdict.RetryAfter)
	}
	return err
}

// newPassword is the hash of a password that is good enough. about are name, mail address and the like.
func (d Desk) newPassword(ctx context.Context, text secret.Text, about ...string) (string, error) {
	if err := d.Proofs.CheckPassword(text, about...); err != nil {
		return "", err
	}
	return d.Proofs.Hasher.Hash(ctx, text)
}
