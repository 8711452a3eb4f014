import { part, verbs, type Client, type Query, type Signal } from './client'
import type {
  Application, ConsentQuestion, List, Me, NewOAuthClient, OAuthClient, OAuthClientSettings, OAuthClientWithSecret, Options, OwnSession, OwnToken, Passkey,
  Permission, Scope, Session, SignIn, TotpSeed,
} from './types'

const ADDING = 'to add a passkey', SETTING_UP = 'to set up an authenticator'

/** Signing in, what one proves oneself with, and the applications one lets in. */
export function createAccessApi(client: Client) {
  const { all, post, put, remove } = verbs(client)
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
    changeMe: (body: Pick<Me, 'name' | 'locale' | 'time_zone'>) => put<Me>('/me', body),
    changeEmail: (email: string) => post('/me/email', { email }, `to change your email address to ${email}`),
    setPassword: (password: string, endOthers: boolean) => put('/me/password', { password, end_others: endOthers }, 'to set the password'),
    beginPasskey: () => post<Options>('/me/passkeys/options', {}, ADDING),
    addPasskey: (name: string, response: unknown) => post<Passkey>('/me/passkeys', { name, response }, ADDING),
    renamePasskey: (id: string, name: string) => put<Passkey>(`/me/passkeys/${id}`, { name }),
    removePasskey: (passkey: Passkey) => remove(`/me/passkeys/${passkey.id}`, `to remove the passkey “${passkey.name}”`),
    beginTotp: () => post<TotpSeed>('/me/totp', {}, SETTING_UP),
    confirmTotp: (code: string) => post('/me/totp/confirm', { code }, SETTING_UP),
    removeTotp: () => remove('/me/totp', 'to remove the authenticator'),
    newRecoveryCodes: () => post<{ codes: string[] }>('/me/recovery-codes', {}, 'to make new recovery codes'),
    ownSessions: (signal?: Signal) => all<OwnSession>('/me/sessions', signal),
    endSession: (id: string) => remove(`/me/sessions/${id}`),
    endOtherSessions: () => remove('/me/sessions'),
    tokens: (signal?: Signal) => all<OwnToken>('/me/tokens', signal),
    createToken: (body: { name: string; scopes: string[]; days: number }) => post<OwnToken & { token: string }>('/me/tokens', body, `to make the token “${body.name}”`),
    revokeToken: (id: string) => remove(`/me/tokens/${id}`),
    grantable: (signal?: Signal) => all<Permission>('/permissions', signal),

    lookAtConsent: (query: string, signal?: Signal) => client.request<ConsentQuestion>('/consents/look', { method: 'POST', body: { query }, signal }),
    answerConsent: (query: string, allow: boolean, asked: ConsentQuestion) => post<{ redirect_to: string }>('/consents', { query, allow, person_id: asked.person_id, customer_id: asked.customer_id }, `to let “${asked.client.name}” in`),
    applications: (signal?: Signal) => all<Application>('/me/applications', signal),
    revokeApplication: (id: string) => remove(`/me/applications/${part(id)}`),
    clients: (query: Query, signal?: Signal) => client.request<List<OAuthClient>>('/clients', { signal, query }),
    clientScopes: (site: OAuthClient['site'], signal?: Signal) => client.request<List<Scope>>('/clients/scopes', { signal, query: { site } }),
    createClient: (body: NewOAuthClient) => post<OAuthClientWithSecret>('/clients', body, `to register the client “${body.name}”`),
    changeClient: (c: OAuthClient, body: OAuthClientSettings) => put<OAuthClientWithSecret>(`/clients/${part(c.id)}`, body, `to change the client “${c.name}”`),
    deleteClient: (c: OAuthClient) => remove(`/clients/${part(c.id)}`, `to delete the client “${c.name}”`),
    rotateClientSecret: (c: OAuthClient) => post<OAuthClientWithSecret>(`/clients/${part(c.id)}/secret`, {}, `to make a new secret for the client “${c.name}”`),
  }
}
