import { describe, expect, it } from 'vitest'
import type { Slot, Usage } from '@/api'
import { columns, eased, fromUsage, holes, losses, merge, slotPoint, stats, type Point, type Series } from './series'

const T = Date.parse('2026-01-01T00:00:00Z') / 1000
const at = (seconds: number) => new Date((T + seconds) * 1000).toISOString()
const point = (seconds: number, rate: number | null, gap = false): Point => ({ t: T + seconds, in: rate, out: rate, gap })
const usage = (points: Usage['points']): Usage =>
  ({ service_id: 's', from: at(0), to: at(60), step_seconds: 10, unit: 'bit/s', basis: 'l2', points })
const slot = (seconds: number, bytes: number): Slot => ({ t: at(seconds), in_l2: bytes, out_l2: bytes, in_l3: bytes / 2, out_l3: bytes / 2 })

describe('fromUsage', () => {
  it('drops the future and leaves the unknown unknown', () => {
    const series = fromUsage(usage([{ t: at(0), in: null, out: null, gap: true }, { t: at(10), in: 40, out: 20, gap: false }, { t: at(20), in: 0, out: 0, gap: false }]), T + 15)
    expect(series.points).toEqual([{ t: T, in: null, out: null, gap: true }, { t: T + 10, in: 40, out: 20, gap: false }])
  })
})

describe('slotPoint', () => {
  it('is a rate over the whole slot', () => expect(slotPoint(slot(0, 1000), 'l2', 10)).toEqual(point(0, 800)))
  it('takes the basis asked for', () => expect(slotPoint(slot(0, 1000), 'l3', 10).in).toBe(400))
})

describe('eased', () => {
  const series: Series = { step: 10, points: [point(0, 1000), point(10, 350)] }
  it('lets the step before speak for what is to come', () => expect(eased(series, T + 15).points[1]!.in).toBe(350 + 1000 * 0.65))
  it('leaves a whole step alone', () => expect(eased(series, T + 20)).toBe(series))
  it('spreads over the time passed where nothing is before it', () => {
    expect(eased({ step: 10, points: [point(10, 350)] }, T + 15).points[0]!.in).toBe(700)
    expect(eased({ step: 10, points: [point(0, null), point(10, 350)] }, T + 10.1).points[1]!.in).toBe(1750)
  })
  it('does not count twice in sums', () => expect(stats(eased(series, T + 15), 'in').bytes).toBe((1000 + 350) * 10 / 8))
})

describe('merge', () => {
  const series: Series = { step: 10, points: [point(0, 1), point(10, 2, true), point(20, 3)] }
  it('replaces, appends, keeps gap marks and lets the old go', () => {
    const merged = merge(series, [point(10, 5), point(30, 6)], T + 10)
    expect(merged.points).toEqual([{ ...point(10, 5), gap: true }, point(20, 3), point(30, 6)])
  })
  it('is the same however often and in whatever order slots come', () => {
    const once = merge(series, [point(30, 6), point(20, 9)], T)
    expect(merge(once, [point(20, 9), point(30, 6), point(30, 6)], T)).toEqual(once)
  })
})

describe('holes and losses', () => {
  const series: Series = { step: 10, points: [point(0, 1), point(10, null, true), point(20, 2, true), point(60, 3), point(70, 1)] }
  it('joins unknown and missing steps into spans', () => expect(holes(series)).toEqual([[T + 10, T + 20], [T + 30, T + 60]]))
  it('tells lost from unknown', () => expect(losses(series)).toEqual([[T + 20, T + 30]]))
  it('finds nothing in a whole series', () => {
    const whole: Series = { step: 10, points: [point(0, 1), point(10, 0)] }
    expect([holes(whole), losses(whole)]).toEqual([[], []])
  })
})

describe('columns', () => {
  it('mirrors out, and breaks the line where steps are missing', () => {
    const [t, rx, tx] = columns({ step: 10, points: [point(0, 1), point(30, 2)] }, true)
    expect(t.map((x) => x - T)).toEqual([0, 10, 30])
    expect(rx).toEqual([1, null, 2])
    expect(tx).toEqual([-1, null, -2])
  })
})

describe('stats', () => {
  it('leaves the unknown out', () =>
    expect(stats({ step: 10, points: [point(0, 8), point(10, null), point(20, 24)] }, 'in')).toEqual({ last: 24, mean: 16, max: 24, bytes: 40 }))
  it('knows nothing of nothing', () => expect(stats({ step: 10, points: [] }, 'out').max).toBeNull())
})
