import { describe, expect, it } from 'vitest'
import { rateLabels, rateRange, timeLabels } from './plot'

const T = Date.parse('2026-01-02T00:00:00Z') / 1000

describe('axis', () => {
  it('times in UTC, dates at midnight', () => expect(timeLabels([T - 3600, T, T + 3600], 3600)).toEqual(['23:00', '01-02', '01:00']))
  it('seconds only when zoomed in', () => expect(timeLabels([T + 30], 30)).toEqual(['00:00:30']))
  it('both halves are positive', () => expect(rateLabels([-2e6, 0, 2e6])).toEqual(['2 Mbit/s', '0 bit/s', '2 Mbit/s']))
  it('an idle service has a scale', () => expect(rateRange(null, null)).toEqual([0, 1000]))
  it('leaves room', () => expect(rateRange(-100, 200).map(Math.round)).toEqual([-110, 220]))
})
