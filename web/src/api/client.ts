/** One failed field of a request. */
export interface FieldProblem { location?: string; message: string }

/** An answer that is not a success, as RFC 9457 describes it; status 0 means that no answer came. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string = '',
    readonly fields: FieldProblem[] = [],
    readonly retryAfter: number = 0, // seconds; 0: nobody said
  ) {
    super(message)
    this.name = 'ApiProblem'
  }
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  query?: Record<string, string | number | undefined>
  match?: number // the version that a change is meant for
  act?: string // what it does, as "to remove the passkey": people who have to prove who they are are told for what
  signal?: AbortSignal
}

export interface Client {
  request<T>(path: string, options?: RequestOptions): Promise<T>
}

const TIMEOUT_MS = 15_000

export function toURL(path: string, query: RequestOptions['query'] = {}): string {
  const set = Object.entries(query).filter((pair): pair is [string, string | number] => pair[1] !== undefined && pair[1] !== '')
  const search = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString()
  return '/api/v1' + path + (search ? '?' + search : '')
}

/** Reads a problem document; anything else becomes a problem with a plain sentence. */
export async function toProblem(response: Response): Promise<ApiProblem> {
  const fallback = `The server answered ${response.status}.`
  try {
    const body = await response.json() as { title?: string; detail?: string; code?: string; errors?: FieldProblem[] }
    return new ApiProblem(response.status, body.detail || body.title || fallback, body.code, body.errors ?? [], Number(response.headers.get('Retry-After')) || 0)
  } catch {
    return new ApiProblem(response.status, fallback)
  }
}

// crypto.randomUUID is missing on plain HTTP beyond localhost.
const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('')

// What was sent last and not answered: it may have been done all the same. Sent once more it keeps its key, and is done once.
interface Unanswered { what: string; key: string }

function init(options: RequestOptions, key: string, shown: string): RequestInit {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(options.signal ? [options.signal] : [])]
  const headers: Record<string, string> = { Accept: 'application/json' }
  const method = options.method ?? 'GET'
  if (options.body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET') headers['Idempotency-Key'] = key
  if (shown) headers['Meant-For'] = shown
  if (options.match !== undefined) headers['If-Match'] = String(options.match)
  const body = options.body === undefined ? undefined : JSON.stringify(options.body)
  return { method, headers, body, credentials: 'same-origin', signal: AbortSignal.any(signals) }
}

async function send(path: string, options: RequestOptions, key: string, shown: string): Promise<Response> {
  try {
    return await fetch(toURL(path, options.query), init(options, key, shown))
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw new ApiProblem(0, 'The server cannot be reached.', 'unreachable')
  }
}

export interface ClientOptions {
  onUnauthenticated?: () => void // a session is missing or over
  prove?: (act?: string) => Promise<boolean> // has people prove again who they are; if they did, what was refused for the want of it is sent once more
  shown?: () => string // whom the page shows, as "person/account"; empty: nobody
  onChanged?: () => void // the browser is somebody else's by now, or looks at another account: another tab did that
}

const CHANGED = ['person_changed', 'account_changed']
const sessions = (path: string) => path === '/session' || path.startsWith('/session/') // they ask, or say, whom to show

export function createClient({ onUnauthenticated, prove = async () => false, shown = () => '', onChanged }: ClientOptions = {}): Client {
  let unanswered: Unanswered | undefined
  async function answered(path: string, options: RequestOptions): Promise<Response> {
    const what = `${options.method} ${path} ${JSON.stringify(options.body)}`
    const key = unanswered?.what === what ? unanswered.key : randomKey()
    const write = options.method !== undefined && options.method !== 'GET'
    if (write) unanswered = { what, key }
    const response = await send(path, options, key, sessions(path) ? '' : shown())
    if (write && response.status < 500 && unanswered?.key === key) unanswered = undefined
    return response
  }
  async function request<T>(path: string, options: RequestOptions = {}, proved = false): Promise<T> {
    const response = await answered(path, options)
    if (!response.ok) {
      const problem = await toProblem(response)
      if (problem.code === 'proof_required' && !proved && await prove(options.act)) return request(path, options, true)
      if (problem.code === 'not_signed_in' && path !== '/session') onUnauthenticated?.()
      if (CHANGED.includes(problem.code)) onChanged?.()
      throw problem
    }
    const text = response.status === 204 ? '' : await response.text()
    return (text ? JSON.parse(text) : undefined) as T
  }
  return { request: (path, options) => request(path, options) }
}

export type Signal = AbortSignal | undefined
export type Query = RequestOptions['query']
export const part = encodeURIComponent

/** What a client is mostly asked for, in few words. */
export function verbs(client: Client) {
  return {
    all: async <T>(path: string, signal?: Signal) => (await client.request<{ items: T[] }>(path, { signal })).items,
    post: <T = void>(path: string, body: unknown = {}, act?: string) => client.request<T>(path, { method: 'POST', body, act }),
    put: <T = void>(path: string, body: unknown, act?: string) => client.request<T>(path, { method: 'PUT', body, act }),
    remove: (path: string, act?: string) => client.request<void>(path, { method: 'DELETE', act }),
  }
}
