import { describe, expect, it } from 'vitest'
import type { CycleSummary } from '@/api'
import { quotaScale } from './quota'

const cycle = (billable_bytes: number, projected_bytes?: number, quota_bytes: number | undefined = 1000) =>
  ({ quota_bytes, billable_bytes, projected_bytes, thresholds: [75, 90, 100] }) as CycleSummary

describe('quotaScale', () => {
  it('is nothing without a quota', () => expect(quotaScale({ ...cycle(1), quota_bytes: undefined })).toBeUndefined())
  it('below the first threshold', () => {
    const scale = quotaScale(cycle(500))!
    expect([scale.level, scale.width, scale.mark]).toEqual(['ok', 0.5, 1])
    expect(scale.ticks.map((t) => t.reached)).toEqual([false, false, false])
  })
  it('near', () => expect(quotaScale(cycle(750))!.level).toBe('near'))
  it('beyond the quota the bar is full and the quota stands inside it', () => {
    const scale = quotaScale(cycle(2000))!
    expect([scale.level, scale.width, scale.mark]).toEqual(['over', 1, 0.5])
  })
  it('a wild projection does not squeeze the bar', () => {
    const scale = quotaScale(cycle(100, 50_000))!
    expect([scale.mark, scale.projected]).toEqual([0.5, 1])
  })
})
