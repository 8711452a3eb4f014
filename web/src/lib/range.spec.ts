import { describe, expect, it } from 'vitest'
import { rangeOf, STEP_SECONDS } from './range'

const NOW = Date.parse('2026-01-15T12:34:56Z')

describe('rangeOf', () => {
  it.each(['live', '6h', '24h', '7d', '30d'] as const)('%s is whole steps, holds now, and stays below 1500 points', (name) => {
    const range = rangeOf(name, NOW)
    const size = STEP_SECONDS[range.step]
    expect([range.from % size, range.to % size]).toEqual([0, 0])
    expect(range.to * 1000).toBeGreaterThanOrEqual(NOW)
    expect((range.to - range.from) / size).toBeLessThan(1500)
  })
  it('a running cycle ends now, a past one at its end', () => {
    const cycle = { from: '2026-01-01T00:00:00Z', to: '2026-02-01T00:00:00Z' }
    expect(rangeOf('cycle', NOW, cycle).to * 1000).toBe(Date.parse('2026-01-15T13:00:00Z'))
    expect(rangeOf('cycle', NOW + 60 * 86_400_000, cycle).to * 1000).toBe(Date.parse(cycle.to))
  })
  it('a year goes by days', () =>
    expect(rangeOf('cycle', NOW, { from: '2025-02-01T00:00:00Z', to: '2026-02-01T00:00:00Z' }).step).toBe('1d'))
  it('a cycle that has just begun is not empty', () => {
    const range = rangeOf('cycle', NOW, { from: '2026-01-15T12:34:56Z', to: '2026-02-15T12:34:56Z' })
    expect(range.to).toBeGreaterThan(range.from)
  })
})
