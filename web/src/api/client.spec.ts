import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem, createClient, toURL } from './client'

const answer = (status: number, body: unknown) => new Response(body === undefined ? null : JSON.stringify(body), { status })
const serve = (...answers: (Response | Error)[]) => {
  const fetched = vi.fn(async (_url: string, _init: RequestInit) => {
    const next = answers.shift()!
    if (next instanceof Error) throw next
    return next
  })
  vi.stubGlobal('fetch', fetched)
  return fetched
}
afterEach(() => vi.unstubAllGlobals())

describe('client', () => {
  it('builds addresses without empty parts', () => expect(toURL('/services', { q: 'a b', customer: '', limit: 5, x: undefined })).toBe('/api/v1/services?q=a+b&limit=5'))

  it('sends an idempotency key with writes only', async () => {
    const fetched = serve(answer(200, {}), answer(204, undefined))
    const client = createClient()
    await client.request('/services')
    await client.request('/session', { method: 'DELETE' })
    const keys = fetched.mock.calls.map(([, init]) => (init.headers as Record<string, string>)['Idempotency-Key'])
    expect(keys[0]).toBeUndefined()
    expect(keys[1]).toBeTruthy()
  })

  it('sends once more what was not answered with the key it had, and anything else with another', async () => {
    const fetched = serve(new TypeError('failed'), answer(503, {}), answer(201, {}), answer(201, {}), new TypeError('failed'), answer(201, {}))
    const { request } = createClient()
    const write = (text: string) => request('/notes', { method: 'POST', body: { text } }).catch(() => {})
    for (const text of ['a', 'a', 'a', 'a', 'b', 'c']) await write(text)
    const keys = fetched.mock.calls.map(([, init]) => (init.headers as Record<string, string>)['Idempotency-Key'])
    expect(keys.map((key) => keys.indexOf(key))).toEqual([0, 0, 0, 3, 4, 5])
  })

  it('says whom the page shows, but where that is asked or chosen, and tells when the browser is somebody else’s', async () => {
    const fetched = serve(answer(200, {}), answer(200, {}), answer(200, {}), answer(409, { code: 'person_changed' }), answer(409, { code: 'version_mismatch' }))
    const onChanged = vi.fn()
    const { request } = createClient({ shown: () => 'person/account', onChanged })
    for (const path of ['/session', '/session/account', '/account', '/account', '/account']) await request(path).catch(() => {})
    expect(fetched.mock.calls.map(([, init]) => (init.headers as Record<string, string>)['Meant-For'])).toEqual([undefined, undefined, ...Array<string>(3).fill('person/account')])
    expect(onChanged).toHaveBeenCalledOnce()
  })

  it('turns a problem document into an error with its fields', async () => {
    serve(answer(422, { title: 'Unprocessable', detail: 'advance is not a duration', code: 'invalid', errors: [{ location: 'body.advance', message: 'bad' }] }))
    const problem = await createClient().request('/dev/clock').catch((e: unknown) => e) as ApiProblem
    expect([problem.status, problem.message, problem.code, problem.fields[0]?.location]).toEqual([422, 'advance is not a duration', 'invalid', 'body.advance'])
  })

  it('says so when nothing answers, and when what answers is no problem document', async () => {
    serve(new TypeError('failed'), new Response('<html>', { status: 502 }))
    const client = createClient()
    await expect(client.request('/services')).rejects.toMatchObject({ status: 0, code: 'unreachable' })
    await expect(client.request('/services')).rejects.toMatchObject({ status: 502, message: 'The server answered 502.' })
  })

  it('has a proof made once, then repeats what wanted it', async () => {
    const wanted = () => answer(403, { code: 'proof_required' })
    const fetched = serve(wanted(), answer(200, { ok: true }), wanted(), wanted(), wanted())
    const prove = vi.fn(async () => true)
    await expect(createClient({ prove }).request('/me/totp', { method: 'POST', act: 'to set up an authenticator' })).resolves.toEqual({ ok: true })
    await expect(createClient({ prove }).request('/me/totp', { method: 'POST' })).rejects.toMatchObject({ code: 'proof_required' })
    await expect(createClient({ prove: async () => false }).request('/me/totp', { method: 'POST' })).rejects.toMatchObject({ code: 'proof_required' })
    expect([prove.mock.calls, fetched.mock.calls.length]).toEqual([[['to set up an authenticator'], [undefined]], 5])
  })

  it('knows how long to wait', async () => {
    serve(new Response('{"code":"too_many_attempts"}', { status: 429, headers: { 'Retry-After': '90' } }))
    await expect(createClient().request('/login', { method: 'POST' })).rejects.toMatchObject({ status: 429, retryAfter: 90 })
  })

  it('reports a lost session, but not the question whether there is one, nor a refused sign-in', async () => {
    const lost = vi.fn()
    const over = () => answer(401, { code: 'not_signed_in' })
    serve(over(), answer(401, { code: 'sign_in_refused' }), over())
    const client = createClient({ onUnauthenticated: lost })
    await client.request('/session').catch(() => {})
    await client.request('/login', { method: 'POST' }).catch(() => {})
    expect(lost).not.toHaveBeenCalled()
    await client.request('/services').catch(() => {})
    expect(lost).toHaveBeenCalledOnce()
  })
})
