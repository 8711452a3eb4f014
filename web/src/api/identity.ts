// People, what they prove themselves with, accounts and staff.
import type { Client, RequestOptions } from './client'
import type { List, Session } from './types'

export type Rights = 'owner' | 'billing' | 'technical' | 'read_only'
export type Status = 'active' | 'suspended' | 'banned'
export type Method = 'passkey' | 'totp' | 'recovery_code'
export interface SignIn { session?: Session; next?: 'second_factor'; methods?: Method[] }
export interface Options { options: unknown } // of a passkey's ceremony: WebAuthn Level 3

export interface Passkey { id: string; name: string; created_at: string; last_used_at?: string; backed_up: boolean; provider: string; cloned: boolean }
export interface Me {
  person_id: string; name: string; email: string; email_verified: boolean; locale: string; time_zone: string; site: 'account' | 'admin'
  password: { set: boolean; set_at?: string }; passkeys: Passkey[]; totp: { confirmed_at: string } | null; recovery_codes_left: number
}
export interface TotpSeed { secret: string; uri: string; qr: { size: number; modules: string } }
export interface OwnSession { id: string; current: boolean; site: string; ip?: string; user_agent: string; factors: string[]; opened_at: string; seen_at: string; expires_at: string; impersonated?: boolean }
export interface OwnToken { id: string; name: string; hint: string; customer_id?: string; scopes: string[]; created_at: string; expires_at: string; last_used_at?: string }
export interface Permission { permission: string; says: string }

export interface OwnAccount { customer_id: string; name: string; rights: Rights }
export interface Link { purpose: string; email: string; account?: string; rights?: Rights; expires_at: string; person_exists: boolean; asks_password: boolean }
export interface Address { line1: string; line2?: string; city: string; region?: string; postal_code?: string; country: string }
export interface AccountProfile {
  name: string; company: string; phone: string; tax_id?: string; has_tax_id?: boolean; tax_exempt?: boolean; locale: string; time_zone: string
  billing_address?: Address | null; shipping_address?: Address | null; version: number
}
export interface Member { person_id: string; name: string; email: string; rights: Rights; status: Status; since: string }
export interface Invitation { id: string; email: string; rights: Rights; created_at: string; expires_at: string }
export interface CustomerDetail extends AccountProfile { id: string; email: string; status: Status; created_at: string; members: Member[]; notes: number }
export interface Note { id: string; author: string; author_name?: string; text: string; created_at: string }

export interface Staff { person_id: string; name: string; email: string; roles: string[]; status: Status; second_factor: boolean; enrolled: boolean; invited_until?: string; seen_at?: string }
export interface StaffRole { name: string; permissions: string[]; people: number; fixed: boolean }

export type RoleTerms = Pick<StaffRole, 'name' | 'permissions'>

type Signal = AbortSignal | undefined
const part = encodeURIComponent

/** Signing in, and what proves who one is. */
export function createSecurityApi(client: Client) {
  const send = <T>(method: RequestOptions['method'], path: string, body: unknown = {}) => client.request<T>(path, { method, body })
  const post = <T>(path: string, body?: unknown) => send<T>('POST', path, body)
  const remove = (path: string) => client.request<void>(path, { method: 'DELETE' })
  const all = async <T>(path: string, signal?: Signal) => itemsOf(await client.request<List<T> | T[]>(path, { signal }))
  return {
    signIn: (email: string, password: string, remember: boolean) => post<SignIn>('/login', { email, password, ...(remember ? { remember } : {}) }),
    signInTotp: (code: string) => post<SignIn>('/login/totp', { code }),
    signInRecoveryCode: (code: string) => post<SignIn>('/login/recovery-code', { code }),
    beginPasskeySignIn: (signal?: Signal) => client.request<Options>('/login/passkey/options', { method: 'POST', body: {}, signal }),
    signInPasskey: (response: unknown, remember = false) => post<SignIn>('/login/passkey', { response, ...(remember ? { remember } : {}) }),

    provePassword: (password: string) => post<Session>('/me/proof/password', { password }),
    proveTotp: (code: string) => post<Session>('/me/proof/totp', { code }),
    beginPasskeyProof: () => post<Options>('/me/proof/passkey/options'),
    provePasskey: (response: unknown) => post<Session>('/me/proof/passkey', { response }),

    me: (signal?: Signal) => client.request<Me>('/me', { signal }),
    changeMe: (body: Pick<Me, 'name' | 'locale' | 'time_zone'>) => send<Me>('PUT', '/me', body),
    changeEmail: (email: string) => post<void>('/me/email', { email }),
    setPassword: (password: string) => send<void>('PUT', '/me/password', { password }),
    beginPasskey: () => post<Options>('/me/passkeys/options'),
    addPasskey: (name: string, response: unknown) => post<Passkey>('/me/passkeys', { name, response }),
    renamePasskey: (id: string, name: string) => send<Passkey>('PUT', `/me/passkeys/${id}`, { name }),
    removePasskey: (id: string) => remove(`/me/passkeys/${id}`),
    beginTotp: () => post<TotpSeed>('/me/totp'),
    confirmTotp: (code: string) => post<void>('/me/totp/confirm', { code }),
    removeTotp: () => remove('/me/totp'),
    newRecoveryCodes: () => post<{ codes: string[] }>('/me/recovery-codes'),
    ownSessions: (signal?: Signal) => all<OwnSession>('/me/sessions', signal),
    endSession: (id: string) => remove(`/me/sessions/${id}`),
    endOtherSessions: () => remove('/me/sessions'),
    tokens: (signal?: Signal) => all<OwnToken>('/me/tokens', signal),
    createToken: (body: { name: string; scopes: string[]; days: number }) => post<OwnToken & { token: string }>('/me/tokens', body),
    revokeToken: (id: string) => remove(`/me/tokens/${id}`),
    grantable: (signal?: Signal) => all<Permission>('/permissions', signal),
  }
}

/** Accounts, their people, and those who work here. */
export function createPeopleApi(client: Client) {
  const send = <T = void>(method: RequestOptions['method'], path: string, body: unknown = {}) => client.request<T>(path, { method, body })
  const post = <T = void>(path: string, body?: unknown) => send<T>('POST', path, body)
  const remove = (path: string) => client.request<void>(path, { method: 'DELETE' })
  const all = async <T>(path: string, signal?: Signal) => itemsOf(await client.request<List<T> | T[]>(path, { signal }))
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
    changeAccount: (body: AccountProfile) => send<AccountProfile>('PUT', '/account', body),
    members: (signal?: Signal) => all<Member>('/account/members', signal),
    changeMember: (person: string, rights: Rights) => send('PUT', `/account/members/${person}`, { rights }),
    removeMember: (person: string) => remove(`/account/members/${person}`),
    invitations: (signal?: Signal) => all<Invitation>('/account/invitations', signal),
    invite: (email: string, rights: Rights) => post('/account/invitations', { email, rights }),
    revokeInvitation: (id: string) => remove(`/account/invitations/${id}`),

    customer: (id: string, signal?: Signal) => client.request<CustomerDetail>(`/customers/${part(id)}`, { signal }),
    changeCustomerProfile: (id: string, body: AccountProfile) => send('PUT', `/customers/${part(id)}/profile`, body),
    changeCustomerStatus: (id: string, status: Status, reason: string) => send('PUT', `/customers/${part(id)}/status`, { status, reason }),
    notes: (id: string, signal?: Signal) => all<Note>(`/customers/${part(id)}/notes`, signal),
    writeNote: (id: string, text: string) => post(`/customers/${part(id)}/notes`, { text }),
    inviteToCustomer: (id: string, email: string, rights: Rights) => post(`/customers/${part(id)}/invitations`, { email, rights }),
    impersonate: (body: { person_id: string; customer_id: string; reason: string; ticket?: string; write?: boolean }) => post<{ url: string }>('/impersonations', body),
    beginImpersonation: (token: string) => post<Session>('/impersonations/begin', { token }),

    staff: (signal?: Signal) => all<Staff>('/staff', signal),
    inviteStaff: (body: { email: string; name: string; roles: string[] }) => post('/staff', body),
    setRoles: (person: string, roles: string[]) => send('PUT', `/staff/${person}/roles`, { roles }),
    setStaffStatus: (person: string, status: Status) => send('PUT', `/staff/${person}/status`, { status }),
    renewEnrolment: (person: string) => post(`/staff/${person}/enrolment`),
    roles: (signal?: Signal) => all<StaffRole>('/roles', signal),
    createRole: (body: RoleTerms) => post('/roles', body),
    changeRole: (name: string, body: RoleTerms) => send('PUT', `/roles/${part(name)}`, body),
    deleteRole: (name: string) => remove(`/roles/${part(name)}`),
    rolePermissions: (signal?: Signal) => all<Permission>('/roles/permissions', signal),
  }
}

const itemsOf = <T>(answer: List<T> | T[]): T[] => (Array.isArray(answer) ? answer : answer.items)
