import { describe, expect, it } from 'vitest'
import { backoff, withSlots } from './useLiveUsage'

const slot = (seconds: number, bytes: number) =>
  ({ t: new Date(seconds * 1000).toISOString(), in_l2: bytes, out_l2: 0, in_l3: 0, out_l3: 0 })

describe('backoff', () => {
  it('doubles and is bounded', () => {
    expect([0, 1, 2, 3, 10, 1000].map((n) => backoff(n, 0.5))).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000])
  })
  it('spreads by a quarter', () => expect([backoff(0, 0), backoff(0, 1)]).toEqual([750, 1250]))
})

describe('withSlots', () => {
  it('keeps the later state, in order', () =>
    expect(withSlots([slot(20, 2), slot(10, 1)], [slot(20, 3), slot(30, 4)]).map((s) => s.in_l2)).toEqual([1, 3, 4]))
  it('is bounded', () =>
    expect(withSlots([], Array.from({ length: 500 }, (_, i) => slot(i * 10, i))).map((s) => s.in_l2).slice(0, 1)).toEqual([380]))
})
