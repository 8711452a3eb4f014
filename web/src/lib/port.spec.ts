import { describe, expect, it } from 'vitest'
import type { PortHour, RateHour } from '@/api'
import { compared, histogram } from './port'

const T = Date.parse('2026-03-10T10:00:00Z') / 1000
const hour = (n: number, more: Partial<PortHour>) => ({
  hour: new Date((T + n * 3600) * 1000).toISOString(), readings: 180, octets_in: 450, octets_out: 0, flow_in: 0, flow_out: 0, flow_in_elsewhere: 900, flow_out_elsewhere: 0,
  samples_in: 0, samples_out: 0, gap_seconds: 0, resets: 0, ...more,
}) as PortHour

describe('a port by counters and by flows', () => {
  it('is in bit/s, of whole hours, and unknown where nothing is known', () => {
    const hours = [hour(0, {}), hour(1, { samples_in: 1, flow_in: 1350, resets: 1 }), hour(3, { readings: 0 })]
    expect(compared(hours, 'in', T, T + 5 * 3600, T + 4.5 * 3600).points).toEqual([
      { t: T, in: 1, out: 2, gap: false }, { t: T + 3600, in: 1, out: 3, gap: true }, { t: T + 7200, in: null, out: null, gap: false }, { t: T + 10_800, in: null, out: 2, gap: false },
    ])
  })
})

describe('the histogram of rates', () => {
  const row = (rate: number, samples: number, above_usual = false) => ({ rate, samples, above_usual }) as RateHour
  it('adds up the hours', () => expect(histogram([row(1024, 10, true), row(512, 20), row(512, 10)])).toEqual([
    { rate: 512, samples: 30, share: 0.75, hours: 2, above: false }, { rate: 1024, samples: 10, share: 0.25, hours: 1, above: true }]))
  it('of nothing is empty', () => expect(histogram([])).toEqual([]))
})
