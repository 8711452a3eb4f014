/** One failed field of a request. */
export interface FieldProblem { location?: string; message: string }

/** An answer that is not a success, as RFC 9457 describes it; status 0 means that no answer came. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string = '',
    readonly fields: FieldProblem[] = [],
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
    return new ApiProblem(response.status, body.detail || body.title || fallback, body.code, body.errors ?? [])
  } catch {
    return new ApiProblem(response.status, fallback)
  }
}

// crypto.randomUUID is missing on plain HTTP beyond localhost.
const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('')

function init(options: RequestOptions): RequestInit {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(options.signal ? [options.signal] : [])]
  const headers: Record<string, string> = { Accept: 'application/json' }
  const method = options.method ?? 'GET'
  if (options.body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET') headers['Idempotency-Key'] = randomKey()
  if (options.match !== undefined) headers['If-Match'] = String(options.match)
  const body = options.body === undefined ? undefined : JSON.stringify(options.body)
  return { method, headers, body, credentials: 'same-origin', signal: AbortSignal.any(signals) }
}

/** @param onUnauthenticated is called when a session is missing or over. */
export function createClient(onUnauthenticated: () => void): Client {
  async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    let response: Response
    try {
      response = await fetch(toURL(path, options.query), init(options))
    } catch (cause) {
      if (options.signal?.aborted) throw cause
      throw new ApiProblem(0, 'The server cannot be reached.', 'unreachable')
    }
    if (!response.ok) {
      const problem = await toProblem(response)
      if (response.status === 401 && problem.code === 'not_signed_in' && path !== '/session') onUnauthenticated()
      throw problem
    }
    return (response.status === 204 ? undefined : await response.json()) as T
  }
  return { request }
}
