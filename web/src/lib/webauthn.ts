// Passkeys in the browser (WebAuthn Level 3). Options and answers travel as JSON with their bytes in base64url; browsers
// convert them themselves, older ones are helped here.

type Fields = Record<string, unknown>
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Bytes as base64url without padding (RFC 4648, section 5). */
export function toBase64url(buffer: ArrayBuffer): string {
  const text = [...new Uint8Array(buffer)].map((byte) => String.fromCharCode(byte)).join('')
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The bytes of base64url, with or without padding. Anything else throws. */
export function fromBase64url(text: string): ArrayBuffer {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) throw new TypeError('not base64url')
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0)).buffer
}

const bytesOf = (value: unknown) => fromBase64url(String(value))
const withIds = (list: unknown) => (Array.isArray(list) ? list.filter(isFields).map((c) => ({ ...c, id: bytesOf(c.id) })) : undefined)

/** Some servers wrap the options for navigator.credentials; what is inside is meant. */
const inner = (options: unknown): Fields => {
  if (!isFields(options)) throw new TypeError('no options')
  return isFields(options.publicKey) ? options.publicKey : options
}

export function creationOptions(given: unknown): PublicKeyCredentialCreationOptions {
  const json = inner(given)
  const parse = globalThis.PublicKeyCredential?.parseCreationOptionsFromJSON
  if (parse) return parse.call(PublicKeyCredential, json as unknown as PublicKeyCredentialCreationOptionsJSON)
  const user = json.user as Fields
  return { ...json, challenge: bytesOf(json.challenge), user: { ...user, id: bytesOf(user.id) }, excludeCredentials: withIds(json.excludeCredentials) } as unknown as PublicKeyCredentialCreationOptions
}

export function requestOptions(given: unknown): PublicKeyCredentialRequestOptions {
  const json = inner(given)
  const parse = globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON
  if (parse) return parse.call(PublicKeyCredential, json as unknown as PublicKeyCredentialRequestOptionsJSON)
  return { ...json, challenge: bytesOf(json.challenge), allowCredentials: withIds(json.allowCredentials) } as unknown as PublicKeyCredentialRequestOptions
}

/** An authenticator's answer as JSON: RegistrationResponseJSON or AuthenticationResponseJSON. */
export function responseJSON(credential: PublicKeyCredential): unknown {
  if (typeof credential.toJSON === 'function') return credential.toJSON()
  const answer = credential.response as unknown as Record<string, unknown> & { getTransports?: () => string[] }
  const names = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']
  const response = Object.fromEntries(names.filter((n) => answer[n] instanceof ArrayBuffer).map((n) => [n, toBase64url(answer[n] as ArrayBuffer)]))
  const transports = answer.getTransports?.()
  return {
    id: credential.id, rawId: toBase64url(credential.rawId), type: credential.type, response: transports ? { ...response, transports } : response,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined, clientExtensionResults: credential.getClientExtensionResults(),
  }
}

export const passkeysWork = (): boolean => typeof PublicKeyCredential !== 'undefined' && 'credentials' in navigator

/** Whether the browser offers passkeys in the list below a field. */
export async function autofillWorks(): Promise<boolean> {
  return passkeysWork() && typeof PublicKeyCredential.isConditionalMediationAvailable === 'function' && await PublicKeyCredential.isConditionalMediationAvailable()
}

/** Sets a passkey up on a device of the person's choice. */
export async function createPasskey(options: unknown): Promise<unknown> {
  return answered(await navigator.credentials.create({ publicKey: creationOptions(options) }))
}

/** Asks for a passkey: in a dialog of the browser, or in the list below a field (autofill). */
export async function askPasskey(options: unknown, how: { signal?: AbortSignal; autofill?: boolean } = {}): Promise<unknown> {
  return answered(await navigator.credentials.get({ publicKey: requestOptions(options), signal: how.signal, mediation: how.autofill ? 'conditional' : undefined }))
}

function answered(credential: Credential | null): unknown {
  if (!credential) throw new DOMException('no passkey was chosen', 'NotAllowedError')
  return responseJSON(credential as PublicKeyCredential)
}

const REASONS: Record<string, string> = {
  NotAllowedError: 'No passkey was used: it was cancelled, or took too long.',
  InvalidStateError: 'This device or password manager has a passkey for you already.',
  SecurityError: 'Passkeys do not work at this address.',
  NotSupportedError: 'This device cannot make a passkey of the kind that is needed.',
}

/** What to tell of a ceremony that the browser ended; undefined where it was something else. */
export function ceremonyProblem(error: unknown): string | undefined {
  return error instanceof DOMException ? REASONS[error.name] ?? `The passkey did not work (${error.name}).` : undefined
}
