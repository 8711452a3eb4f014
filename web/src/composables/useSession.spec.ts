import { expect, it, vi } from 'vitest'
import { ApiProblem, type Api, type Session } from '@/api'
import type { ServerTime } from './useServerTime'
import { createSession } from './useSession'

const person = (person_id: string, more: Partial<Session> = {}) => ({ person_id, customer_id: 'one', role: 'customer', permissions: [], ...more }) as unknown as Session
const over = () => Promise.reject(new ApiProblem(401, 'sign in', 'not_signed_in'))

/** A session of Kim's under which something was typed, and who the platform says is there next. */
async function typing(next: () => Promise<Session>, whose = person('kim')) {
  const api = { session: vi.fn(next), logout: vi.fn(async () => {}) }
  const session = createSession(api as unknown as Api, {} as ServerTime, { tell: () => {}, onTold: () => {} })
  await session.begin(whose)
  session.drafts.watch('form', () => 'typed')
  return { session, left: () => session.drafts.take('kim/one', 'form') }
}

it('keeps what was typed when the session ends under somebody, until somebody else or a log-out', async () => {
  const after = async (then: (session: Awaited<ReturnType<typeof typing>>['session']) => Promise<unknown>) => {
    const { session, left } = await typing(over)
    session.lost()
    await then(session)
    return left()
  }
  expect(await after(async (s) => s.begin(person('kim')))).toBe('typed')
  expect(await after(async (s) => s.begin(person('kim', { customer_id: 'two' })))).toBe('typed')
  expect(await after(async (s) => s.begin(person('sam')))).toBeUndefined()
  expect(await after(async (s) => s.begin(person('kim', { impersonated: 'a reason' })))).toBeUndefined()
  expect(await after(async (s) => s.follow(true))).toBeUndefined() // another tab tells, and nobody is there: a log-out
  expect(await after(async (s) => s.logout())).toBeUndefined()
})

it('keeps nothing of a log-out, here or in another tab, nor of who looks as somebody else', async () => {
  const here = await typing(over)
  await here.session.logout()
  here.session.lost()
  expect(here.left()).toBeUndefined()
  const there = await typing(over)
  await there.session.follow()
  expect([there.session.ended.value, there.left()]).toEqual([true, undefined])
  const looking = await typing(over, person('kim', { impersonated: 'a reason' }))
  looking.session.lost()
  expect(looking.left()).toBeUndefined()
})

it('follows another tab’s login where people log in, and nowhere else', async () => {
  const { session } = await typing(async () => person('kim'))
  session.lost()
  const led = vi.fn()
  session.onSwitched(led)
  await session.follow()
  expect([session.shown(), led.mock.calls.length]).toEqual(['', 0])
  await session.follow(true)
  expect([session.shown(), led.mock.calls.length, session.switched.value]).toEqual(['kim/one', 1, undefined])
})
