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
    leaveAccount: (customer: string) => remove(`/me/accounts/${customer}`),
    members: (signal?: Signal) => all<Member>('/account/members', signal),
    changeMember: (person: string, rights: Rights) => put(`/account/members/${person}`, { rights }),
    removeMember: (person: string) => remove(`/account/members/${person}`),
    invitations: (signal?: Signal) => all<Invitation>('/account/invitations', signal),
    invite: (email: string, rights: Rights) => post('/account/invitations', { email, rights }),
    revokeInvitation: (id: string) => remove(`/account/invitations/${id}`),

    customer: (id: string, signal?: Signal) => client.request<CustomerDetail>(`/customers/${part(id)}`, { signal }),
    changeCustomerProfile: (id: string, body: AccountSettings) => put(`/customers/${part(id)}/profile`, body),
    changeCustomerContact: (id: string, email: string, version: number) => put(`/customers/${part(id)}/contact`, { email, version }),
    customerInvitations: (id: string, signal?: Signal) => all<Invitation>(`/customers/${part(id)}/invitations`, signal),
    revokeCustomerInvitation: (id: string, invitation: string) => remove(`/customers/${part(id)}/invitations/${invitation}`),
    changeCustomerStatus: (id: string, status: Status, reason: string) => put(`/customers/${part(id)}/status`, { status, reason }),
    notes: (id: string, query: Query, signal?: Signal) => client.request<List<Note>>(`/customers/${part(id)}/notes`, { signal, query }),
    writeNote: (id: string, text: string) => post(`/customers/${part(id)}/notes`, { text }),
    changeCustomerMember: (id: string, person: string, rights: Rights) => put(`/customers/${part(id)}/members/${person}`, { rights }),
    removeCustomerMember: (id: string, person: string) => remove(`/customers/${part(id)}/members/${person}`),
    inviteToCustomer: (id: string, email: string, rights: Rights) => post(`/customers/${part(id)}/invitations`, { email, rights }),
    impersonate: (body: { person_id: string; customer_id: string; reason: string; ticket?: string; write?: boolean }) => post<{ url: string }>('/impersonations', body),
    impersonations: (query: Query, signal?: Signal) => client.request<List<Impersonation>>('/impersonations', { signal, query }),
    beginImpersonation: (token: string) => post<Session>('/impersonations/begin', { token }),

    people: (query: Query, signal?: Signal) => client.request<List<Person>>('/people', { signal, query }),
    recoverPerson: (id: string, reason: string) => post(`/people/${part(id)}/recovery`, { reason }),
    changePersonStatus: (id: string, status: Status) => put(`/people/${part(id)}/status`, { status }),

    staff: (signal?: Signal) => all<Staff>('/staff', signal),
    inviteStaff: (body: { email: string; name: string; roles: string[] }) => post('/staff', body),
    setRoles: (person: string, roles: string[]) => put(`/staff/${person}/roles`, { roles }),
    setStaffStatus: (person: string, status: Status) => put(`/staff/${person}/status`, { status }),
    renewEnrolment: (person: string) => post(`/staff/${person}/enrolment`),
    roles: (signal?: Signal) => all<StaffRole>('/roles', signal),
    createRole: (body: RoleTerms) => post('/roles', body),
    changeRole: (name: string, body: RoleTerms) => put(`/roles/${part(name)}`, body),
    deleteRole: (name: string) => remove(`/roles/${part(name)}`),
    rolePermissions: (signal?: Signal) => all<Permission>('/roles/permissions', signal),
  }
}
