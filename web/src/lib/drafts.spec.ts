import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createDrafts, differing } from './drafts'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

function kept(whose = 'kim/one') {
  const drafts = createDrafts()
  drafts.watch('/account profile', () => ({ company: 'Typed' }))
  drafts.watch('/account contact', () => undefined)
  drafts.keep(whose)
  return drafts
}

it('gives back once what was typed, to the same person, account and place', () => {
  const drafts = kept()
  expect(['kim/two', 'sam/one', 'kim', ''].map((whose) => drafts.take(whose, '/account profile'))).toEqual([undefined, undefined, undefined, undefined])
  expect(['/profile profile', '/account contact'].map((place) => drafts.take('kim/one', place))).toEqual([undefined, undefined])
  expect([1, 2].map(() => drafts.take('kim/one', '/account profile'))).toEqual([{ company: 'Typed' }, undefined])
})

it('keeps what there was at that moment, of forms that are still there, for somebody', () => {
  const drafts = createDrafts()
  const note = { text: 'before' }
  drafts.watch('note', () => note)
  const gone = drafts.watch('gone', () => 'x')
  gone()
  drafts.keep('')
  drafts.keep('kim')
  note.text = 'after'
  expect(['', 'kim'].map((whose) => drafts.take(whose, 'note'))).toEqual([undefined, { text: 'before' }])
  expect(drafts.take('kim', 'gone')).toBeUndefined()
})

it('forgets what was saved all the same', () => {
  const drafts = kept()
  drafts.forget('kim/one', '/account profile')
  expect(drafts.take('kim/one', '/account profile')).toBeUndefined()
})

it('forgets when somebody else or nobody is here, but not when the same person looks at another account first', () => {
  const left = ['kim/one', 'kim/two', 'sam/one', ''].map((whose) => { const drafts = kept(); drafts.only(whose); return drafts.take('kim/one', '/account profile') !== undefined })
  expect(left).toEqual([true, true, false, false])
})

it('forgets after an hour', () => {
  const left = [3_599_999, 3_600_000].map((ms) => { const drafts = kept(); vi.advanceTimersByTime(ms); return drafts.take('kim/one', '/account profile') !== undefined })
  expect(left).toEqual([true, false])
})

it('tells what was typed from what was read', () => {
  const read = { name: 'Kim', locale: 'en' }
  expect([differing({ ...read, name: 'Kim K.' }, read), differing({ ...read }, read)]).toEqual([{ name: 'Kim K.' }, undefined])
})

it('is bounded', () => {
  const drafts = createDrafts()
  for (let n = 0; n < 30; n++) drafts.watch(`form ${n}`, () => n)
  drafts.keep('kim')
  expect(Array.from({ length: 30 }, (_, n) => drafts.take('kim', `form ${n}`)).filter((n) => n !== undefined)).toHaveLength(20)
})
