import { part, verbs, type Client, type Query, type Signal } from './client'
import type { AccountProfile, AccountSettings, CustomerDetail, Impersonation, Invitation, Link, List, Member, Note, OwnAccount, Permission, Person, Rights, RoleTerms, Session, Staff, StaffRole, Status } from './types'

/** Accounts, their people, and those who work here. */
export function createPeopleApi(client: Client) {
  const { all, post, put, remove } = verbs(client)
  return {
    register: (body: { email: string; name: string; company?: string; password: string }) => post('/register', body),
    forgot: (email: string) => post('/password/forgot', { email }),
    lookAtLink: (token: string, signal?: Signal) => client.request<Link>('/links/look', { method: 'POST', body: { token }, signal }),
    verifyEmail: (token: string, password = '') => post<{ email: string }>('/links/verify', { token, ...(password ? { password } : {}) }),
    resetPassword: (token: string, password: string) => post('/password/reset', { token, password }),
    acceptInvitation: (body: { token: string; name?: string; password?: string }) => post<{ customer_id: string; account: string }>('/invitations/accept', body),
    enrol: (token: string, password: string) => post<Session>('/enrolment', { token, password }),

    ownAccounts: (signal?: Signal) => all<OwnAccount>('/me/accounts', signal),
    chooseAccount: (customer: string) => post<Session>('/session/account', { customer_id: customer }),
    account: (signal?: Signal) => client.request<AccountProfile>('/account', { signal }),
    changeAccount: (body: AccountSettings) => put<AccountProfile>('/account', body),
    changeContact: (email: string, version: number) => put('/account/contact', { email, version }),
    leaveAccount: (account: OwnAccount) => remove(`/me/accounts/${account.customer_id}`, `to leave the account ${account.name}`),
    members: (signal?: Signal) => all<Member>('/account/members', signal),
    changeMember: (m: Member, rights: Rights) => put(`/account/members/${m.person_id}`, { rights }, `to change the rights of ${m.name}`),
    removeMember: (m: Member) => remove(`/account/members/${m.person_id}`, `to take ${m.name} out of the account`),
    invitations: (signal?: Signal) => all<Invitation>('/account/invitations', signal),
    invite: (email: string, rights: Rights) => post('/account/invitations', { email, rights }, `to invite ${email}`),
    revokeInvitation: (id: string) => remove(`/account/invitations/${id}`),

    customer: (id: string, signal?: Signal) => client.request<CustomerDetail>(`/customers/${part(id)}`, { signal }),
    changeCustomerProfile: (id: string, body: AccountSettings) => put(`/customers/${part(id)}/profile`, body),
    changeCustomerContact: (id: string, email: string, version: number) => put(`/customers/${part(id)}/contact`, { email, version }),
    customerInvitations: (id: string, signal?: Signal) => all<Invitation>(`/customers/${part(id)}/invitations`, signal),
    revokeCustomerInvitation: (id: string, invitation: string) => remove(`/customers/${part(id)}/invitations/${invitation}`),
    changeCustomerStatus: (id: string, status: Status, reason: string) => put(`/customers/${part(id)}/status`, { status, reason }),
    notes: (id: string, query: Query, signal?: Signal) => client.request<List<Note>>(`/customers/${part(id)}/notes`, { signal, query }),
    writeNote: (id: string, text: string) => post(`/customers/${part(id)}/notes`, { text }),
    changeCustomerMember: (id: string, m: Member, rights: Rights) => put(`/customers/${part(id)}/members/${m.person_id}`, { rights }, `to change the rights of ${m.name}`),
    removeCustomerMember: (id: string, m: Member) => remove(`/customers/${part(id)}/members/${m.person_id}`, `to take ${m.name} out of the account`),
    inviteToCustomer: (id: string, email: string, rights: Rights) => post(`/customers/${part(id)}/invitations`, { email, rights }, `to invite ${email}`),
    impersonate: (m: Member, customer: CustomerDetail, why: { reason: string; ticket?: string; write?: boolean }) => post<{ url: string }>('/impersonations', { person_id: m.person_id, customer_id: customer.id, ...why }, `to view ${customer.name} as ${m.name}`),
    impersonations: (query: Query, signal?: Signal) => client.request<List<Impersonation>>('/impersonations', { signal, query }),
    beginImpersonation: (token: string) => post<Session>('/impersonations/begin', { token }),

    people: (query: Query, signal?: Signal) => client.request<List<Person>>('/people', { signal, query }),
    recoverPerson: (person: Person, reason: string) => post(`/people/${part(person.id)}/recovery`, { reason }, `to reset how ${person.name} signs in`),
    changePersonStatus: (id: string, status: Status) => put(`/people/${part(id)}/status`, { status }),

    staff: (signal?: Signal) => all<Staff>('/staff', signal),
    inviteStaff: (body: { email: string; name: string; roles: string[] }) => post('/staff', body, `to invite ${body.email} to the staff`),
    setRoles: (s: Staff, roles: string[]) => put(`/staff/${s.person_id}/roles`, { roles }, `to change the roles of ${s.name}`),
    setStaffStatus: (s: Staff, status: Status) => put(`/staff/${s.person_id}/status`, { status }, `to ${status === 'active' ? 'activate' : 'suspend'} ${s.name}`),
    renewEnrolment: (s: Staff) => post(`/staff/${s.person_id}/enrolment`, {}, `to send ${s.name} a new link`),
    roles: (signal?: Signal) => all<StaffRole>('/roles', signal),
    createRole: (body: RoleTerms) => post('/roles', body, `to create the role “${body.name}”`),
    changeRole: (name: string, body: RoleTerms) => put(`/roles/${part(name)}`, body, `to change the role “${name}”`),
    deleteRole: (name: string) => remove(`/roles/${part(name)}`, `to delete the role “${name}”`),
    rolePermissions: (signal?: Signal) => all<Permission>('/roles/permissions', signal),
  }
}
